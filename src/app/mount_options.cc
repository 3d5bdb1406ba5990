#include "app/mount_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "reelfs/model/names.h"

namespace reelfs::app {

namespace {

constexpr std::array kForOthers{
    "defaults",    "auto",          "noauto",   "user",       "users",      "nouser",
    "owner",       "noowner",       "group",    "nogroup",    "_netdev",    "nofail",
    "async",       "atime",         "relatime", "diratime",   "nodiratime", "norelatime",
    "strictatime", "nostrictatime", "lazytime", "nolazytime", "mand",       "nomand",
    "noiversion",  "iversion",      "silent",   "loud"};
constexpr std::array kForOthersWithValue{"user=", "uhelper=", "helper=", "comment="};
constexpr std::array kPassedOn{"noatime", "dirsync", "sync"};

bool is_for_others(std::string_view word) {
    return word.starts_with("x-") || word.starts_with("X-") ||
           std::find(kForOthers.begin(), kForOthers.end(), word) != kForOthers.end() ||
           std::any_of(kForOthersWithValue.begin(), kForOthersWithValue.end(),
                       [&](const char* prefix) { return word.starts_with(prefix); });
}

struct Switch {
    const char* word;
    bool MountWords::*field;
    bool value;
};
constexpr std::array kSwitches{
    Switch{"ro", &MountWords::read_only, true},
    Switch{"rw", &MountWords::read_only, false},
    Switch{"allow_other", &MountWords::allow_other, true},
    Switch{"default_permissions", &MountWords::default_permissions, true},
    Switch{"suid", &MountWords::nosuid, false},
    Switch{"nosuid", &MountWords::nosuid, true},
    Switch{"dev", &MountWords::nodev, false},
    Switch{"nodev", &MountWords::nodev, true},
    Switch{"exec", &MountWords::noexec, false},
    Switch{"noexec", &MountWords::noexec, true},
    Switch{"acl", &MountWords::acl, true},
    Switch{"noacl", &MountWords::acl, false},
    Switch{"tls-self-signed", &MountWords::tls_self_signed, true},
};

struct Valued {
    const char* name;
    std::string MountWords::*field;
};
constexpr std::array kValued{
    Valued{"container", &MountWords::container},
    Valued{"http", &MountWords::http},
    Valued{"https", &MountWords::https},
    Valued{"tls-certificate", &MountWords::tls_certificate},
    Valued{"tls-key", &MountWords::tls_key},
    Valued{"admin", &MountWords::admin},
    Valued{"admin-token-file", &MountWords::admin_token_file},
    Valued{"region", &MountWords::region},
    Valued{"account", &MountWords::account},
    Valued{"domain", &MountWords::domain},
    Valued{"trusted-proxy", &MountWords::trusted_proxies},
    Valued{"access-log", &MountWords::access_log},
    Valued{"key-file", &MountWords::key_file},
    Valued{"passphrase-file", &MountWords::passphrase_file},
};

/// True when the word was one of ours with a value; its value stored.
Result<bool> take_valued(const std::string& word, MountWords& words) {
    const std::size_t equals = word.find('=');
    for (const Valued& valued : kValued) {
        if (word.substr(0, equals) != valued.name) continue;
        if (equals == std::string::npos || equals + 1 == word.size())
            return Error(Errc::kInvalid,
                         fmt::format("mount option {0} needs a value: {0}=...", valued.name));
        words.*valued.field = word.substr(equals + 1);
        return true;
    }
    return false;
}

}  // namespace

std::vector<std::string> split_mount_words(std::string_view list) {
    std::vector<std::string> words(1);
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (list[i] == '\\' && i + 1 < list.size() && (list[i + 1] == ',' || list[i + 1] == '\\'))
            words.back() += list[++i];
        else if (list[i] == ',')
            words.emplace_back();
        else
            words.back() += list[i];
    }
    return words;
}

Result<MountWords> parse_mount_words(const std::vector<std::string>& lists, UnknownWords unknown) {
    MountWords words;
    for (const std::string& list : lists) {
        for (const std::string& word : split_mount_words(list)) {
            if (word.empty() || is_for_others(word)) continue;
            auto flag = std::find_if(kSwitches.begin(), kSwitches.end(),
                                     [&](const Switch& s) { return word == s.word; });
            if (flag != kSwitches.end()) {
                words.*(flag->field) = flag->value;
                continue;
            }
            if (std::find(kPassedOn.begin(), kPassedOn.end(), word) != kPassedOn.end()) {
                words.other.push_back(word);
                continue;
            }
            RF_TRY(bool taken, take_valued(word, words));
            if (taken || unknown == UnknownWords::kIgnore) continue;
            return Error(
                Errc::kInvalid,
                fmt::format("unknown mount option \"{}\"; reelfs(1) lists those it takes", word));
        }
    }
    if (!words.container.empty()) RF_CHECK(check_container_name(words.container));
    return words;
}

}  // namespace reelfs::app
