#include "app/store_service.h"

#include <fmt/format.h>

#include "app/access_service.h"
#include "app/document_service.h"
#include "app/job_service.h"
#include "app/key_service.h"
#include "app/paths.h"
#include "reelfs/base/log.h"
#include "reelfs/model/names.h"

namespace reelfs::app {

namespace {

Json zones_of(const core::Volume& volume, const std::string& store, Disk& disk) {
    Json zones = Json::array();
    for (const crypto::Zone& zone : volume.zones()) {
        const std::string path = zone.path.empty() ? store : zone.path;
        Json entry = {{"id", zone.id.value()}, {"path", path}};
        if (auto space = disk.space(path)) {
            entry["total_bytes"] = space->total_bytes;
            entry["free_bytes"] = space->free_bytes;
        } else {
            entry["error"] = space.error().message();
        }
        zones.push_back(std::move(entry));
    }
    return zones;
}

Result<Json> create(core::Tree& tree, const request::ContainerCreate& wanted,
                    const Caller& caller) {
    RF_CHECK(check_container_name(wanted.name));
    core::ContainerOptions options{
        .mode = wanted.mode, .block_bytes = std::nullopt, .profile = wanted.profile};
    if (wanted.block_bytes != 0) options.block_bytes = wanted.block_bytes;
    auto created = tree.create_container(caller, wanted.name, options);
    if (!created && created.error().code() == Errc::kExists)
        return Error(Errc::kExists, fmt::format("container {} exists already", wanted.name));
    if (!created) return std::move(created).error();
    const core::ContainerInfo& made = *created;
    log::info("container {} created", made.container.value());
    return to_json(made);
}

Result<Json> remove(core::Tree& tree, const std::string& name) {
    auto removed = tree.delete_container(name);
    if (!removed && removed.error().code() == Errc::kNotFound) return no_container(name);
    if (!removed && removed.error().code() == Errc::kNotEmpty)
        return Error(Errc::kNotEmpty,
                     fmt::format("container {} is not empty; remove its objects first", name));
    if (!removed) return std::move(removed).error();
    log::info("a container was deleted");
    return Json::object();
}

}  // namespace

Error no_container(const std::string& name) {
    return {
        Errc::kNotFound,
        fmt::format("there is no container \"{}\"; reelfs container list shows those that exist",
                    name)};
}

StoreService::StoreService(std::string store, core::Volume& volume, Disk& disk, ServedAs served,
                           std::function<void()> stop)
    : store_(std::move(store)),
      volume_(volume),
      disk_(disk),
      served_(std::move(served)),
      stop_(std::move(stop)) {}

Json StoreService::status() {
    const LockRecord& record = served_.record;
    Json status = {{"store", store_},
                   {"id", volume_.id().hex()},
                   {"running", stop_ != nullptr},
                   {"read_only", served_.read_only},
                   {"degraded", volume_.degraded()},
                   {"open_report", volume_.open_report()},
                   {"zones", zones_of(volume_, store_, disk_)}};
    if (stop_ != nullptr) {
        status["pid"] = record.pid;
        status["mountpoint"] = record.mountpoint;
        status["http"] = record.http;
        status["url"] = url_of(record.http);
        status["https"] = record.https;
        status["admin"] = record.admin;
        status["started"] = record.started;
    }
    if (Json job = jobs_.status(); !job.is_null()) status["job"] = std::move(job);
    if (auto space = volume_.tree().space())
        status["space"] = {{"total_bytes", space->total_bytes},
                           {"free_bytes", space->free_bytes},
                           {"nodes", space->nodes}};
    if (auto health = volume_.health()) {
        status["damaged_reads"] = health->damaged_reads;
        status["space"]["freed_bytes"] = health->freed_bytes;
        status["space"]["reserve_bytes"] = health->reserve_bytes;
    } else {
        status["error"] = health.error().message();
    }
    if (auto containers = volume_.tree().containers()) status["containers"] = to_json(*containers);
    return status;
}

std::optional<Answer> StoreService::answer_job(const Request& request) {
    if (std::holds_alternative<request::JobStatus>(request)) return Answer(jobs_.status());
    if (std::holds_alternative<request::JobCancel>(request)) {
        auto cancelled = jobs_.cancel();
        return cancelled ? Answer(Json::object()) : Answer(std::move(cancelled).error());
    }
    const auto* wanted = std::get_if<request::JobStart>(&request);
    if (wanted == nullptr) return std::nullopt;
    const std::string& mountpoint = served_.record.mountpoint;
    if (!mountpoint.empty() && !wanted->directory.empty() &&
        is_inside(wanted->directory, mountpoint))
        return Answer(
            Error(Errc::kInvalid, fmt::format("{} lies in the mount of this store; choose a place "
                                              "outside of it",
                                              wanted->directory)));
    auto number = jobs_.start(
        name_of(*wanted), wanted->rate,
        [this, wanted = *wanted](core::Job& job) { return do_job(volume_, wanted, job); });
    return number ? Answer(Json{{"job", *number}}) : Answer(std::move(number).error());
}

Answer StoreService::answer(const Request& request, const Caller& caller) {
    core::Tree& tree = volume_.tree();
    if (std::holds_alternative<request::Status>(request)) return status();
    if (std::holds_alternative<request::Sync>(request)) {
        RF_CHECK(tree.sync());
        return Json::object();
    }
    if (std::holds_alternative<request::Stop>(request)) {
        if (stop_ == nullptr) return Error(Errc::kNotFound, "no daemon serves this store");
        stop_();
        return Json::object();
    }
    if (const auto* wanted = std::get_if<request::ContainerCreate>(&request))
        return create(tree, *wanted, caller);
    if (std::holds_alternative<request::ContainerList>(request)) {
        RF_TRY(auto containers, tree.containers());
        return to_json(containers);
    }
    if (const auto* wanted = std::get_if<request::ContainerDescribe>(&request)) {
        auto found = tree.container(wanted->name);
        if (!found && found.error().code() == Errc::kNotFound) return no_container(wanted->name);
        if (!found) return std::move(found).error();
        return to_json(*found);
    }
    if (const auto* wanted = std::get_if<request::ContainerQuota>(&request)) {
        auto changed = tree.set_quota(wanted->name, wanted->change);
        if (!changed && changed.error().code() == Errc::kNotFound)
            return no_container(wanted->name);
        if (!changed) return std::move(changed).error();
        return to_json(*changed);
    }
    if (const auto* wanted = std::get_if<request::ContainerDelete>(&request))
        return remove(tree, wanted->name);
    if (auto answered = answer_job(request)) return *std::move(answered);
    if (auto answered = answer_key(volume_, request)) return *std::move(answered);
    if (auto answered = answer_document(tree, request)) return *std::move(answered);
    return answer_access(volume_, request);
}

}  // namespace reelfs::app
