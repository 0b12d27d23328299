package controlplane

import (
	"context"
	"time"
)

// RequestTx holds the request log and its counts.
type RequestTx interface {
	// InsertRequest assigns the row. A request without a merchant is the platform's.
	InsertRequest(ctx context.Context, r LoggedRequest) error
	// Request looks up one of a merchant's; merchantID "" one of the platform's.
	Request(ctx context.Context, merchantID, id string) (LoggedRequest, error)
	// Requests lists without the strings to sign.
	Requests(ctx context.Context, f RequestFilter) ([]LoggedRequest, error)
	// UnknownRequests lists those of the platform, newest first.
	UnknownRequests(ctx context.Context, before string, limit int) ([]LoggedRequest, error)

	// AddRequestCount adds to what is counted already.
	AddRequestCount(ctx context.Context, c RequestCount) error
	RequestCounts(ctx context.Context, f RequestCountFilter) ([]RequestCount, error)
	// AddRequestAddress adds to what is counted already; an address beyond
	// [MaxRequestAddresses] of an hour is counted without its name.
	AddRequestAddress(ctx context.Context, a RequestAddress) error
	// RequestAddresses sums up what is counted of each address since an hour,
	// and says in Hour when it was last seen.
	RequestAddresses(ctx context.Context, merchantID string, since time.Time) ([]RequestAddress, error)

	// PurgeRequests deletes what is old; PurgeAcceptedRequests accepted ones only.
	PurgeRequests(ctx context.Context, p Purge) (Purged, error)
	PurgeAcceptedRequests(ctx context.Context, p Purge) (Purged, error)
	// TrimRequests deletes the oldest beyond a number of rows, up to limit of them.
	TrimRequests(ctx context.Context, keep int64, limit int) (Purged, error)
	PurgeRequestCounts(ctx context.Context, p Purge) (Purged, error)
	PurgeRequestAddresses(ctx context.Context, p Purge) (Purged, error)
}
