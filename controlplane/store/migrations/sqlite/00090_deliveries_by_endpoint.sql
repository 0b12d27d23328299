-- +goose Up

-- A merchant's deliveries are those of its endpoints, which have an index already.
-- With a second one, each event wrote to another page in the middle of a tree: 7.5
-- instead of 4.4 kB for an event in batches of 100, 18.6 instead of 12.9 kB alone.
DROP INDEX deliveries_merchant;
