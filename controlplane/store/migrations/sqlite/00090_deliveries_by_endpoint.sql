-- +goose Up

-- A merchant's deliveries are those of its endpoints, which have an index already.
-- With a second one, nearly every event wrote to another page in the middle of a tree.
DROP INDEX deliveries_merchant;
