// The HTTP door: the tree over HTTP/1.1, in this process. Two listeners of one server: the public
// one and the admin one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "reelfs/base/clock.h"
#include "reelfs/base/fd.h"
#include "reelfs/base/metrics.h"
#include "reelfs/base/result.h"
#include "reelfs/core/tree.h"
#include "reelfs/http/address.h"

namespace reelfs::http {

class Authenticator;

/// "127.0.0.1:8787", "[::1]:8787", "localhost:0". Port 0: any free one.
struct Endpoint {
    std::string address;
    std::uint16_t port = 0;
    bool operator==(const Endpoint&) const = default;
};
Result<Endpoint> parse_endpoint(std::string_view text);
bool is_loopback(const Endpoint& endpoint);
/// A listening socket there. kBusy names the address that is taken.
Result<Fd> bind_endpoint(const Endpoint& endpoint);
/// The whole file.
Result<std::string> read_text_file(const std::string& path);
/// For appending; made if absent, mode 0600.
Result<Fd> open_log_file(const std::string& path);

/// A host name, in lower case: for ServerOptions::domain. kInvalid.
Result<std::string> parse_domain(std::string_view text);

/// PEM files: the certificate with its chain, and its key.
struct TlsFiles {
    std::string certificate;
    std::string key;
};

struct ServerOptions {
    std::optional<Endpoint> http;   // public; off loopback for authenticated requests only
    std::optional<Endpoint> https;  // the same over TLS 1.2 and 1.3, with `tls`
    TlsFiles tls;
    std::optional<Endpoint> admin;          // /healthz, /readyz, /metrics
    std::string admin_token;                // asked of everybody there; "": loopback only
    std::function<std::string()> degraded;  // why the store is not fully usable, or "" (for readyz)
    std::function<std::string()>
        extra_metrics;  // further Prometheus text, from the owner of the process; may be empty
    Authenticator* authenticator = nullptr;  // outlives the server; null: everybody is anonymous
    /// Host <endpoint id>.<domain> names a container; "": none does. In lower case.
    std::string domain;
    std::string account = "000000000000";       // 12 digits; in the access log
    std::vector<AddressRange> trusted_proxies;  // believed about who their clients are
    std::string access_log;                     // file; "": none
    // What may take more rights than serving does, and be done elsewhere for that:
    std::function<Result<Fd>(const Endpoint&)> bind = bind_endpoint;
    std::function<Result<std::string>(const std::string&)> read_file = read_text_file;  // of `tls`
    std::function<Result<Fd>(const std::string&)> open_log = open_log_file;  // `access_log`
};

class Server {
  public:
    virtual ~Server() = default;
    /// The addresses bound, with real ports.
    virtual std::optional<Endpoint> http() const = 0;
    virtual std::optional<Endpoint> https() const = 0;
    virtual std::optional<Endpoint> admin() const = 0;
    /// Reads certificate and key again, for connections from now on. On failure the former stay.
    virtual Result<void> reload_tls() = 0;
    /// The access log goes on in the file that has its name now. On failure in the former.
    virtual Result<void> reopen_access_log() = 0;
    /// Stops accepting, lets responses in flight finish for at most `grace_ms`, cuts the rest by
    /// reset, joins its threads.
    virtual void stop(std::int64_t grace_ms) = 0;
};

/// Binds and serves on threads of its own. `tree`, `clock`, `metrics` outlive it. kBusy names the
/// address that is taken.
Result<std::unique_ptr<Server>> start_server(core::Tree& tree, const Clock& clock, Metrics& metrics,
                                             const ServerOptions& options);

}  // namespace reelfs::http
