package portal

import (
	"net/http"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// log writes the one event of a request. It names the route, not the address:
// people paste secrets into address bars.
func (x *exchange) log(took time.Duration) {
	fields := []zap.Field{
		zap.String("request_id", x.requestID), zap.String("method", knownMethod(x.r.Method)), zap.String("route", x.routeName()),
		zap.Int("status", x.w.status), zap.Int("bytes", x.w.bytes), zap.Duration("took", took), zap.Stringer("client_ip", x.clientIP),
	}
	if x.session.UserID != "" {
		fields = append(fields, zap.String("user_id", x.session.UserID), zap.String("merchant_id", x.session.MerchantID))
	}
	if x.cause != nil {
		fields = append(fields, zap.Error(x.cause))
	}
	x.logger.Check(x.logLevel(), "portal request").Write(fields...)
}

// logLevel: what we broke is an error, what someone was refused is worth a look.
func (x *exchange) logLevel() zapcore.Level {
	switch {
	case x.w.status >= http.StatusInternalServerError:
		return zap.ErrorLevel
	case x.w.status == http.StatusForbidden || x.w.status == http.StatusTooManyRequests:
		return zap.WarnLevel
	}
	return zap.InfoLevel
}

func (x *exchange) routeName() string {
	if x.route == nil {
		return "none"
	}
	return x.route.Name
}

// knownMethod keeps text of the client's choosing out of the log.
func knownMethod(m string) string {
	switch m {
	case get, post, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}
