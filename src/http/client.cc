#include "http/client.h"

#include "http/text.h"

namespace reelfs::http {

namespace {

/// One step of the way: whom a proxy took the request from, and how.
struct Hop {
    std::optional<IpAddress> address;  // none: hidden, or not readable
    std::optional<bool> secure;
};

/// "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80".
std::optional<IpAddress> parse_node(std::string_view text) {
    if (text.starts_with('[')) {
        const std::size_t bracket = text.find(']');
        if (bracket == std::string_view::npos) return std::nullopt;
        const std::string_view port = text.substr(bracket + 1);
        if (!port.empty() && (port.front() != ':' || !parse_decimal(port.substr(1))))
            return std::nullopt;
        return IpAddress::parse(text.substr(1, bracket - 1));
    }
    const std::size_t colon = text.find(':');
    const bool has_port = colon != std::string_view::npos && text.find(':', colon + 1) == text.npos;
    if (!has_port) return IpAddress::parse(text);
    if (!parse_decimal(text.substr(colon + 1))) return std::nullopt;
    return IpAddress::parse(text.substr(0, colon));
}

/// Takes one element off `rest`, up to an unquoted `separator`.
std::string_view next_quoted(std::string_view& rest, char separator) {
    bool quoted = false;
    std::size_t end = 0;
    while (end < rest.size() && (quoted || rest[end] != separator)) {
        if (rest[end] == '\\' && quoted)
            ++end;
        else if (rest[end] == '"')
            quoted = !quoted;
        ++end;
    }
    end = std::min(end, rest.size());
    const std::string_view element = trimmed(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return element;
}

std::string_view unquoted(std::string_view value) {
    // No address or scheme needs an escape within its quotes.
    if (value.size() >= 2 && value.starts_with('"') && value.ends_with('"'))
        return value.substr(1, value.size() - 2);
    return value;
}

Hop hop_of_forwarded(std::string_view element) {
    Hop hop;
    while (!element.empty()) {
        const std::string_view pair = next_quoted(element, ';');
        const std::size_t equals = std::min(pair.find('='), pair.size());
        const std::string_view name = trimmed(pair.substr(0, equals));
        const std::string_view value =
            unquoted(trimmed(pair.substr(std::min(equals + 1, pair.size()))));
        if (equal_ignoring_case(name, "for")) hop.address = parse_node(value);
        if (equal_ignoring_case(name, "proto")) hop.secure = equal_ignoring_case(value, "https");
    }
    return hop;
}

template <class Read>
std::vector<Hop> hops_of(const RequestHead& head, std::string_view field, Read read) {
    std::vector<Hop> hops;
    for (const RequestHead::Field& one : head.fields) {
        if (!equal_ignoring_case(one.name, field)) continue;
        std::string_view rest = one.value;
        do {
            hops.push_back(read(rest));
        } while (!rest.empty());
    }
    return hops;
}

/// The client at the end of the way back through trusted proxies.
Hop client_hop(const std::vector<Hop>& hops, const std::vector<AddressRange>& trusted) {
    for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop)
        if (!hop->address || !is_in(trusted, *hop->address) || hop + 1 == hops.rend()) return *hop;
    return {};
}

/// X-Forwarded-Proto: of the proxy next to us, which sets or appends it.
std::optional<bool> forwarded_proto(const RequestHead& head) {
    std::optional<bool> secure;
    for (const RequestHead::Field& field : head.fields) {
        if (!equal_ignoring_case(field.name, "x-forwarded-proto")) continue;
        std::string_view rest = field.value;
        while (!rest.empty()) secure = equal_ignoring_case(next_element(rest), "https");
    }
    return secure;
}

}  // namespace

Client client_of(const RequestHead& head, const IpAddress& peer, bool secure,
                 const std::vector<AddressRange>& trusted_proxies) {
    if (trusted_proxies.empty() || !is_in(trusted_proxies, peer))
        return {.address = peer, .secure = secure, .proxied = false};
    const auto forwarded = hops_of(head, "forwarded", [](std::string_view& rest) {
        return hop_of_forwarded(next_quoted(rest, ','));
    });
    const auto listed = hops_of(head, "x-forwarded-for", [](std::string_view& rest) {
        return Hop{parse_node(next_element(rest)), std::nullopt};
    });
    Hop client;
    if (forwarded.empty()) {
        client = client_hop(listed, trusted_proxies);
    } else {
        client = client_hop(forwarded, trusted_proxies);
        if (!listed.empty() && client_hop(listed, trusted_proxies).address != client.address)
            client = {};
    }
    if (!client.secure) client.secure = forwarded_proto(head);
    return {.address = client.address, .secure = client.secure.value_or(false), .proxied = true};
}

}  // namespace reelfs::http
