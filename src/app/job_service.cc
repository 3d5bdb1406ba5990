#include "app/job_service.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include "app/export.h"
#include "app/text.h"

namespace reelfs::app {

namespace {

Json to_json(const core::ScrubReport& report) {
    return {{"complete", report.complete}, {"resumed", report.resumed},
            {"extents", report.extents},   {"bytes", report.bytes},
            {"damaged", report.damaged},   {"started", format_time(report.started)},
            {"lines", report.lines}};
}

Json to_json(const core::BackupReport& report) {
    return {{"generation", report.generation},
            {"packs", report.packs},
            {"packs_copied", report.packs_copied},
            {"bytes", report.bytes},
            {"bytes_copied", report.bytes_copied},
            {"problems", report.problems},
            {"notes", report.notes}};
}

Json to_json(const core::RotateReport& report) {
    return {{"key", report.key.value()},   {"resumed", report.resumed},
            {"complete", report.complete}, {"extents", report.extents},
            {"bytes", report.bytes},       {"problems", report.problems}};
}

Result<Json> export_it(core::Volume& volume, const request::JobStart& wanted, core::Job& job) {
    // Before anything is made for it.
    auto found = volume.tree().container(wanted.container);
    if (!found && found.error().code() == Errc::kNotFound)
        return Error(Errc::kNotFound,
                     fmt::format("there is no container \"{}\"", wanted.container));
    if (!found) return std::move(found).error();
    struct stat status {};
    const std::string& path = wanted.directory;
    const bool fifo = ::lstat(path.c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
    RF_TRY(auto sink,
           fifo || path.ends_with(".tar") ? export_to_tar(path, job) : export_to_directory(path));
    RF_TRY(const ExportReport report,
           export_container(volume.tree(), wanted.container, *sink, job));
    return Json{
        {"entries", report.entries}, {"bytes", report.bytes}, {"problems", report.problems}};
}

}  // namespace

std::string name_of(const request::JobStart& wanted) {
    return wanted.name;
}

Result<Json> do_job(core::Volume& volume, const request::JobStart& wanted, core::Job& job) {
    if (wanted.name == "scrub") {
        RF_TRY(const auto report,
               volume.scrub({.resumable = true, .from_start = wanted.restart}, job));
        return to_json(report);
    }
    if (wanted.name == "backup") {
        RF_TRY(const auto report, volume.back_up(wanted.directory, job));
        return to_json(report);
    }
    if (wanted.name == "rotation") {
        RF_TRY(const auto report, volume.rotate_key(wanted.container, job));
        return to_json(report);
    }
    if (wanted.name == "export") return export_it(volume, wanted, job);
    return Error(Errc::kInvalid, fmt::format("there is no job \"{}\"", wanted.name));
}

}  // namespace reelfs::app
