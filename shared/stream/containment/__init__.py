"""What keeps a record, a snapshot or a row that ends workers from ending all of them."""
