// The -o list of `reelfs mount`, of mount(8) and of /etc/fstab. Pure.
//
// Three kinds of words: ours (container=, http=, domain=, key-file=, ro, acl ...), words that
// mount(8) and systemd keep for themselves and pass on all the same (noauto, nofail, _netdev, x-*,
// user ...; ignored), and everything else, which is refused by name: a word that is silently
// dropped would be a promise not kept.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reelfs/base/result.h"

namespace reelfs::app {

struct MountWords {
    std::string container;        // "" for the whole tree
    std::string http;             // ADDR:PORT, or ""
    std::string https;            // ADDR:PORT, or ""
    std::string tls_certificate;  // or ""
    std::string tls_key;          // or ""
    bool tls_self_signed = false;
    std::string admin;                     // ADDR:PORT, or ""
    std::string admin_token_file;          // or ""
    std::string region = "us-west-2";      // what signatures are scoped to
    std::string account = "000000000000";  // of ARNs
    std::string domain;                    // of endpoint hosts, or ""
    std::string trusted_proxies;           // addresses and networks, separated by commas, or ""
    std::string access_log;                // file, or ""
    std::string key_file;                  // or ""
    std::string passphrase_file;           // or ""
    bool read_only = false;
    bool allow_other = false;
    bool default_permissions = true;
    bool nosuid = true;
    bool nodev = true;
    bool noexec = false;
    bool acl = false;
    std::vector<std::string> other;  // passed on to the kernel

    bool operator==(const MountWords&) const = default;
};

/// The words of one -o argument. In a value, "\," is a comma.
std::vector<std::string> split_mount_words(std::string_view list);

enum class UnknownWords { kRefuse, kIgnore };  // mount -s asks to ignore

/// Each element of `lists` is one -o argument; later words win.
Result<MountWords> parse_mount_words(const std::vector<std::string>& lists,
                                     UnknownWords unknown = UnknownWords::kRefuse);

}  // namespace reelfs::app
