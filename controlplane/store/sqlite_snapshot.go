package store

// snapshotPages: handing a row over from C costs more than reading it. With the rows of
// a page in one text, a million merchants with three entries each and their keys come in
// 1.5 s, and row by row in 2.6 s.
func (sqliteDialect) snapshotPages() *snapshotPages {
	return &snapshotPages{
		lastMerchant: `SELECT COALESCE(max(rowid), 0) FROM merchants`,
		merchants: `SELECT string_agg(id || ' ' || state || ' ' || revision || COALESCE(
				(SELECT string_agg(' ' || row_id || ' ' || cidr, '') FROM allowlist_entries WHERE merchant_id = merchants.id), ''), char(10))
			FROM merchants WHERE rowid >= $1 AND rowid < $2 HAVING count(*) > 0`,
		lastKey: `SELECT COALESCE(max(rowid), 0) FROM api_keys`,
		keys: `SELECT string_agg(id || ' ' || merchant_id || ' ' || environment || ' ' || state || ' ' || retire_at || ' ' || revision || ' ' || length(secret), char(10)),
				CAST(string_agg(secret, '') AS BLOB)
			FROM api_keys WHERE rowid >= $1 AND rowid < $2 AND (state = 'active' OR retire_at >= $3) HAVING count(*) > 0`,
	}
}
