#include "http/host.h"

#include <arpa/inet.h>

#include <algorithm>
#include <string>

#include "http/text.h"
#include "reelfs/http/server.h"

namespace reelfs::http {

namespace {

struct HostPort {
    std::string name;  // of an IPv6 literal without its brackets
    std::optional<std::string_view> port;
    bool bracketed = false;
};

/// name, name:port, [v6], [v6]:port.
std::optional<HostPort> split_host(std::string_view text) {
    HostPort parts;
    if (text.starts_with('[')) {
        const std::size_t bracket = text.find(']');
        if (bracket == std::string_view::npos) return std::nullopt;
        parts.bracketed = true;
        parts.name = text.substr(1, bracket - 1);
        text.remove_prefix(bracket + 1);
        if (text.empty()) return parts;
        if (text.front() != ':') return std::nullopt;
        parts.port = text.substr(1);
        return parts;
    }
    const std::size_t colon = text.find(':');
    parts.name = text.substr(0, colon);
    if (colon != std::string_view::npos) parts.port = text.substr(colon + 1);
    return parts;
}

bool is_ipv4(const std::string& text) {
    in_addr address{};
    return ::inet_pton(AF_INET, text.c_str(), &address) == 1;
}
bool is_ipv6(const std::string& text) {
    in6_addr address{};
    return ::inet_pton(AF_INET6, text.c_str(), &address) == 1;
}
bool is_loopback_ipv6(const std::string& text) {
    in6_addr address{};
    return ::inet_pton(AF_INET6, text.c_str(), &address) == 1 && IN6_IS_ADDR_LOOPBACK(&address);
}

bool is_loopback_name(const std::string& name) {
    return equal_ignoring_case(name, "localhost") || (name.starts_with("127.") && is_ipv4(name));
}

}  // namespace

bool host_is_local(std::string_view host) {
    const auto parts = split_host(host);
    if (!parts) return false;
    if (parts->port && !parts->port->empty() &&
        (!parse_decimal(*parts->port) || parts->port->size() > 5))
        return false;
    return parts->bracketed ? is_loopback_ipv6(parts->name) : is_loopback_name(parts->name);
}

std::optional<std::string> endpoint_label(std::string_view host, std::string_view domain) {
    if (domain.empty()) return std::nullopt;
    auto parts = split_host(host);
    if (!parts || parts->bracketed) return std::nullopt;
    std::string& name = parts->name;
    std::transform(name.begin(), name.end(), name.begin(), to_lower);
    if (name.ends_with('.')) name.pop_back();  // the same name, written in full
    if (name.size() < domain.size() + 2 || !name.ends_with(domain)) return std::nullopt;
    name.resize(name.size() - domain.size());
    if (!name.ends_with('.')) return std::nullopt;
    name.pop_back();
    return std::move(name);
}

Result<std::string> parse_domain(std::string_view text) {
    std::string domain(text);
    std::transform(domain.begin(), domain.end(), domain.begin(), to_lower);
    const bool good = !domain.empty() && domain.size() <= 200 && !domain.starts_with('.') &&
                      !domain.ends_with('.') && domain.find("..") == std::string::npos &&
                      !is_ipv4(domain) && std::all_of(domain.begin(), domain.end(), [](char c) {
                          return is_alpha(c) || is_digit(c) || c == '-' || c == '.';
                      });
    if (good) return domain;
    return Error(Errc::kInvalid, "\"" + std::string(text) +
                                     "\" is no domain; write one like media.example.com, whose "
                                     "subdomains lead here");
}

bool was_forwarded(const RequestHead& head) {
    return std::any_of(head.fields.begin(), head.fields.end(), [](const RequestHead::Field& field) {
        constexpr std::string_view kPrefix = "x-forwarded-";
        return equal_ignoring_case(field.name, "forwarded") ||
               equal_ignoring_case(field.name, "via") ||
               equal_ignoring_case(field.name, "x-real-ip") ||
               equal_ignoring_case(field.name.substr(0, kPrefix.size()), kPrefix);
    });
}

Result<Endpoint> parse_endpoint(std::string_view text) {
    const Error malformed(Errc::kInvalid, "\"" + std::string(text) +
                                              "\" is not ADDRESS:PORT; write 127.0.0.1:8787, "
                                              "[::1]:8787 or localhost:8787");
    const auto parts = split_host(text);
    if (!parts || !parts->port || parts->port->size() > 5) return malformed;
    const auto port = parse_decimal(*parts->port);
    if (!port || *port > 65'535) return malformed;
    const bool known = parts->bracketed
                           ? is_ipv6(parts->name)
                           : is_ipv4(parts->name) || equal_ignoring_case(parts->name, "localhost");
    if (!known) return malformed;
    return Endpoint{parts->name, static_cast<std::uint16_t>(*port)};
}

bool is_loopback(const Endpoint& endpoint) {
    return is_loopback_name(endpoint.address) || is_loopback_ipv6(endpoint.address);
}

}  // namespace reelfs::http
