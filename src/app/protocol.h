// What the command line and the daemon say to each other: one request, one answer, each one line of
// JSON, over a Unix socket. Both sides and the direct path (no daemon runs) use these types, and
// nothing else knows the shapes.
//
//     {"request":"container-create","name":"live","mode":493,"block_bytes":0,"profile":""}
//     {"ok":true,"result":{...}}   or   {"ok":false,"error":"exists","message":"..."}
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/json.h"
#include "reelfs/base/result.h"
#include "reelfs/core/volume.h"

namespace reelfs::app {

inline constexpr std::size_t kRequestBytesMax = 1024 * 1024;  // a document, escaped
inline constexpr std::size_t kAnswerBytesMax = 64 * 1024 * 1024;

namespace request {
struct Status {
    bool operator==(const Status&) const = default;
};
struct Sync {
    bool operator==(const Sync&) const = default;
};
struct Stop {
    bool operator==(const Stop&) const = default;
};
struct ContainerCreate {
    std::string name;
    std::uint32_t mode = 0755;
    std::uint32_t block_bytes = 0;  // 0: the store's default
    std::string profile;
    bool operator==(const ContainerCreate&) const = default;
};
struct ContainerList {
    bool operator==(const ContainerList&) const = default;
};
struct ContainerDescribe {
    std::string name;
    bool operator==(const ContainerDescribe&) const = default;
};
struct ContainerDelete {
    std::string name;
    bool operator==(const ContainerDelete&) const = default;
};
struct DocumentPut {
    std::string container;
    DocumentKind kind = DocumentKind::kCors;
    std::string body;
    bool operator==(const DocumentPut&) const = default;
};
struct DocumentGet {
    std::string container;
    DocumentKind kind = DocumentKind::kCors;
    bool operator==(const DocumentGet&) const = default;
};
struct DocumentDelete {
    std::string container;
    DocumentKind kind = DocumentKind::kCors;
    bool operator==(const DocumentDelete&) const = default;
};
struct ContainerQuota {
    std::string name;
    core::QuotaChange change;
    bool operator==(const ContainerQuota&) const = default;
};
struct UserCreate {
    std::string name;
    bool operator==(const UserCreate&) const = default;
};
struct UserList {
    bool operator==(const UserList&) const = default;
};
struct UserEnable {
    std::string name;
    bool enabled = true;
    bool operator==(const UserEnable&) const = default;
};
struct UserDelete {
    std::string name;
    bool operator==(const UserDelete&) const = default;
};
struct UserRotate {
    std::string name;
    bool operator==(const UserRotate&) const = default;
};
struct TokenCreate {
    std::string container;
    std::string prefix;          // "" for the whole container
    std::string actions;         // "put,delete"
    std::uint64_t lifetime = 0;  // seconds from now; 0: until revoked
    bool operator==(const TokenCreate&) const = default;
};
struct TokenList {
    bool operator==(const TokenList&) const = default;
};
struct TokenRevoke {
    std::string id;
    bool operator==(const TokenRevoke&) const = default;
};
/// What a person unlocks with, on its way to the daemon.
struct Secret {
    crypto::SlotKind kind = crypto::SlotKind::kEmpty;  // empty: none
    std::string bytes;
    bool operator==(const Secret&) const = default;
};
struct KeyList {
    bool operator==(const KeyList&) const = default;
};
struct KeyChange {
    Secret proof;
    Secret add;
    std::optional<std::uint64_t> remove;
    bool remove_own = false;
    bool operator==(const KeyChange&) const = default;
};
/// Long work in the daemon: how far it is, JobStatus tells.
struct JobStart {
    std::string name;
    std::string directory = {};  // of a backup, or of an export
    std::string container = {};  // of an export, or of a rotation
    std::uint64_t rate = 0;      // bytes a second; 0: as fast as it goes
    bool restart = false;        // not where the last one stopped
    bool operator==(const JobStart&) const = default;
};
struct JobStatus {
    bool operator==(const JobStatus&) const = default;
};
struct JobCancel {
    bool operator==(const JobCancel&) const = default;
};
}  // namespace request

using Request =
    std::variant<request::Status, request::Sync, request::Stop, request::ContainerCreate,
                 request::ContainerList, request::ContainerDescribe, request::ContainerDelete,
                 request::ContainerQuota, request::DocumentPut, request::DocumentGet,
                 request::DocumentDelete, request::UserCreate, request::UserList,
                 request::UserEnable, request::UserDelete, request::UserRotate,
                 request::TokenCreate, request::TokenList, request::TokenRevoke, request::KeyList,
                 request::KeyChange, request::JobStart, request::JobStatus, request::JobCancel>;

/// Without the line break.
std::string encode_request(const Request& request);
/// kInvalid.
Result<Request> decode_request(std::string_view line);

request::Secret secret_of(const crypto::Unlock& unlock);
/// kInvalid for none.
Result<crypto::Unlock> unlock_of(const request::Secret& secret);
/// "passphrase", "key-file", "recovery-key", "empty"
std::string_view name_of(crypto::SlotKind kind);

using Answer = Result<Json>;
std::string encode_answer(const Answer& answer);
/// The answer itself, or its error; kIo when the line is no answer.
Answer decode_answer(std::string_view line);

Json to_json(const core::ContainerInfo& container);
Json to_json(const std::vector<core::ContainerInfo>& containers);

}  // namespace reelfs::app
