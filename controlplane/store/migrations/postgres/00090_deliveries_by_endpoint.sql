-- +goose Up

-- A merchant's deliveries are those of its endpoints, which have an index already.
DROP INDEX deliveries_merchant;
