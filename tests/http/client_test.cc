// Addresses and ranges of them, and whom a request through proxies comes from.
#include "http/client.h"

#include <gtest/gtest.h>

namespace reelfs::http {
namespace {

IpAddress ip(std::string_view text) {
    const auto address = IpAddress::parse(text);
    EXPECT_TRUE(address) << text;
    return address.value_or(IpAddress());
}

std::vector<AddressRange> ranges(std::initializer_list<std::string_view> texts) {
    std::vector<AddressRange> all;
    for (std::string_view text : texts) {
        const auto range = AddressRange::parse(text);
        EXPECT_TRUE(range) << text;
        if (range) all.push_back(*range);
    }
    return all;
}

TEST(Address, IsReadAndPrintedInItsShortForm) {
    for (const char* text : {"10.0.0.1", "127.0.0.1", "2001:db8::1", "::1", "::"})
        EXPECT_EQ(ip(text).text(), text);
    EXPECT_EQ(ip("::ffff:10.0.0.1"), ip("10.0.0.1"));
    EXPECT_EQ(ip("::FFFF:10.0.0.1").text(), "10.0.0.1");
    for (const char* bad : {"", "10.0.0", "10.0.0.256", "1.2.3.4:5", "[::1]", "fe80::1%eth0",
                            "localhost", " 10.0.0.1", "010.0.0.1"})
        EXPECT_FALSE(IpAddress::parse(bad)) << bad;
    EXPECT_FALSE(IpAddress::parse(std::string_view("10.0.0.1\0", 9)));
}

TEST(Address, LoopbackIsAllOf127AndOneOfIpv6) {
    for (const char* text : {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"})
        EXPECT_TRUE(ip(text).is_loopback()) << text;
    for (const char* text : {"128.0.0.1", "10.127.0.1", "::", "::2", "0.0.0.0"})
        EXPECT_FALSE(ip(text).is_loopback()) << text;
}

TEST(Address, RangesHoldTheirNetworkOnly) {
    EXPECT_TRUE(is_in(ranges({"10.0.0.0/8"}), ip("10.255.1.2")));
    EXPECT_FALSE(is_in(ranges({"10.0.0.0/8"}), ip("11.0.0.0")));
    EXPECT_TRUE(is_in(ranges({"192.0.2.128/25"}), ip("192.0.2.128")));
    EXPECT_FALSE(is_in(ranges({"192.0.2.128/25"}), ip("192.0.2.127")));
    EXPECT_TRUE(is_in(ranges({"192.0.2.7"}), ip("::ffff:192.0.2.7")));
    EXPECT_FALSE(is_in(ranges({"192.0.2.7"}), ip("192.0.2.6")));
    EXPECT_TRUE(is_in(ranges({"0.0.0.0/0"}), ip("8.8.8.8")));
    EXPECT_FALSE(is_in(ranges({"0.0.0.0/0"}), ip("2001:db8::1")));
    EXPECT_TRUE(is_in(ranges({"2001:db8::/33"}), ip("2001:db8:7fff::")));
    EXPECT_FALSE(is_in(ranges({"2001:db8::/33"}), ip("2001:db8:8000::")));
    EXPECT_TRUE(is_in(ranges({"::/0"}), ip("8.8.8.8")));
    EXPECT_FALSE(is_in({}, ip("127.0.0.1")));
}

TEST(Address, RangesThatMeanTwoThingsAreRefused) {
    for (const char* bad : {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "::/129",
                            "2001:db8::1/64", "10.0.0.0/-1", "10.0.0.0/8/8", "x/8"})
        EXPECT_FALSE(AddressRange::parse(bad)) << bad;
}

/// A request with these fields, from 10.0.0.1, which is trusted like all of 10.0.0.0/8.
Client client(std::vector<RequestHead::Field> fields, std::string_view peer = "10.0.0.1") {
    RequestHead head;
    head.fields = std::move(fields);
    return client_of(head, ip(peer), false, ranges({"10.0.0.0/8", "fd00::/8"}));
}

Client proxied(std::string_view address, bool secure = false) {
    return {.address = ip(address), .secure = secure, .proxied = true};
}
const Client kUnknown{.address = {}, .secure = false, .proxied = true};

TEST(TrustedProxy, NobodyElseIsBelieved) {
    RequestHead head;
    head.fields = {{"X-Forwarded-For", "192.0.2.1"}, {"Forwarded", "for=192.0.2.1;proto=https"}};
    const Client direct{.address = ip("10.0.0.1"), .secure = true, .proxied = false};
    EXPECT_EQ(client_of(head, ip("10.0.0.1"), true, {}), direct);
    EXPECT_EQ(client_of(head, ip("10.0.0.1"), true, ranges({"10.0.0.2"})), direct);
}

TEST(TrustedProxy, TheLastAddressThatIsNoProxyCounts) {
    EXPECT_EQ(client({{"X-Forwarded-For", "192.0.2.1"}}), proxied("192.0.2.1"));
    EXPECT_EQ(client({{"x-forwarded-for", "127.0.0.1, 192.0.2.1 , 10.9.9.9"}}),
              proxied("192.0.2.1"));
    EXPECT_EQ(client({{"X-Forwarded-For", "127.0.0.1"}, {"X-Forwarded-For", "192.0.2.1"}}),
              proxied("192.0.2.1"));
    EXPECT_EQ(client({{"X-Forwarded-For", "10.1.1.1, 10.2.2.2"}}), proxied("10.1.1.1"));
    EXPECT_EQ(client({{"X-Forwarded-For", "192.0.2.1:4711"}}), proxied("192.0.2.1"));
    EXPECT_EQ(client({{"X-Forwarded-For", "[2001:db8::1]:4711"}}), proxied("2001:db8::1"));
    EXPECT_EQ(client({{"X-Forwarded-For", "2001:db8::1"}}), proxied("2001:db8::1"));
    EXPECT_EQ(client({{"X-Forwarded-For", "::ffff:192.0.2.1"}}), proxied("192.0.2.1"));
}

TEST(TrustedProxy, ForwardedIsReadAsRfc7239Writes) {
    EXPECT_EQ(client({{"Forwarded", "for=192.0.2.43"}}), proxied("192.0.2.43"));
    EXPECT_EQ(client({{"Forwarded", "by=10.0.0.1; For=\"[2001:db8:cafe::17]:4711\" ;proto=https"}}),
              proxied("2001:db8:cafe::17", true));
    EXPECT_EQ(client({{"Forwarded",
                       "for=127.0.0.1, for=192.0.2.43;host=\"a,b;for=1.1.1.1\", "
                       "for=\"[fd00::1]\""}}),
              proxied("192.0.2.43"));
    EXPECT_EQ(client({{"Forwarded", "for=192.0.2.43;ext=\"q\\\",for=1.1.1.1\""}}),
              proxied("192.0.2.43"));
}

TEST(TrustedProxy, WhatCannotBeReadIsNobody) {
    for (const char* text : {"unknown", "_hidden", "for", "", "1.2.3", "192.0.2.1:x", "[::1",
                             "192.0.2.1, nonsense", "nonsense, 10.0.0.2"})
        EXPECT_EQ(client({{"X-Forwarded-For", text}}), kUnknown) << text;
    for (const char* text : {"for=unknown", "for=_x", "proto=http", "", "for=\"", "=;=,;"})
        EXPECT_EQ(client({{"Forwarded", text}}), kUnknown) << text;
    EXPECT_EQ(client({}), kUnknown);
    EXPECT_FALSE(client({}).is_loopback());
}

TEST(TrustedProxy, OneOfTwoHeadersThatDisagreeIsForged) {
    EXPECT_EQ(client({{"Forwarded", "for=127.0.0.1"}, {"X-Forwarded-For", "192.0.2.1"}}), kUnknown);
    EXPECT_EQ(client({{"Forwarded", "for=192.0.2.1"}, {"X-Forwarded-For", "192.0.2.1"}}),
              proxied("192.0.2.1"));
}

TEST(TrustedProxy, SaysWhetherTheClientCameOverTls) {
    EXPECT_EQ(client({{"X-Forwarded-For", "192.0.2.1"}, {"X-Forwarded-Proto", "https"}}),
              proxied("192.0.2.1", true));
    EXPECT_EQ(client({{"X-Forwarded-For", "192.0.2.1"}, {"X-Forwarded-Proto", "https, http"}}),
              proxied("192.0.2.1", false));
    EXPECT_EQ(client({{"Forwarded", "for=192.0.2.1;proto=http"}, {"X-Forwarded-Proto", "https"}}),
              proxied("192.0.2.1", false));
}

}  // namespace
}  // namespace reelfs::http
