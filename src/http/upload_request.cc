#include "http/upload_request.h"

#include <nlohmann/json.hpp>

#include "http/data_access.h"
#include "http/mime.h"
#include "http/profile.h"
#include "http/target.h"
#include "http/text.h"
#include "reelfs/base/log.h"

namespace reelfs::http {

namespace {

/// A field whose value is kept and sent again.
Result<std::string> kept_field(const RequestHead& head, std::string_view name) {
    if (!head.has(name)) return std::string();
    const auto value = head.single(name);
    if (!value || (!value->empty() && !is_safe_field_value(*value)))
        return Error(Errc::kInvalid,
                     std::string(name) + " stands once, in at most 1024 visible ASCII characters");
    return std::string(*value);
}

}  // namespace

Result<core::UploadOptions> UploadRequest::options_of(const RequestHead& head) {
    core::UploadOptions options;
    options.ticket = ticket;
    RF_TRY(options.mime_type, kept_field(head, "content-type"));
    RF_TRY(options.cache_control, kept_field(head, "cache-control"));
    if (const auto storage = head.single("x-amz-storage-class"); storage && *storage != "TEMPORAL")
        return Error(Errc::kInvalid, "x-amz-storage-class can only be TEMPORAL");
    if (const auto how = head.single("x-amz-upload-availability")) {
        options.streaming = equal_ignoring_case(*how, "STREAMING");
        if (!options.streaming && !equal_ignoring_case(*how, "STANDARD"))
            return Error(Errc::kInvalid, "x-amz-upload-availability is STANDARD or STREAMING");
    }
    const auto hash = head.single("x-amz-content-sha256");
    if (hash && *hash != "UNSIGNED-PAYLOAD") {
        wanted_hash_ = parse_sha256(*hash);
        if (!wanted_hash_)
            return Error(Errc::kInvalid,
                         "x-amz-content-sha256 is UNSIGNED-PAYLOAD or 64 hex digits");
        options.streaming = false;  // no byte is shown before all are known to be right
    }
    if (signed_body_.needs_digest()) options.streaming = false;
    if (head.target.substr(0, head.target.find('?')).ends_with('/'))
        return Error(Errc::kInvalid, "an object's path does not end in a slash");
    return options;
}

void UploadRequest::fail(const Error& error) {
    // What stands in the way of a name is the peer's to know; the rest is told by its kind.
    const bool about_path = error.code() == Errc::kIsDirectory ||
                            error.code() == Errc::kNotDirectory || error.code() == Errc::kInvalid;
    failure = about_path ? error_response(400, error.message())
                         : error_response(fault_of(error.code(), asked_path(route)));
    if (failure->status >= 500) log::error("http: {}", error.message());
}

Response UploadRequest::too_large() {
    return error_response(400, "the object is larger than this container allows");
}

void UploadRequest::admit(ServerState& state, const Asker& asker) {
    const RequestHead& head = asker.head;
    dialect_ = dialect_of(head);
    failure = refuse_access(state, asker, Action::kPutObject, route.container, route.path);
    if (failure) return;
    signed_body_ = asker.who.payload;
    const auto container = state.tree.container(route.container);
    if (!container) {
        if (container.error().code() != Errc::kNotFound) return fail(container.error());
        failure = error_response(container_not_found(route.container));
        return;
    }
    const Profile profile = profile_of(container->profile);
    auto options = options_of(head);
    if (!options) return fail(options.error());
    if (auto fits = check_upload_path(profile, route.path); !fits) return fail(fits.error());
    bytes_max = profile.bytes_max(options->streaming);
    ms_max = profile.upload_ms_max;
    if (head.content_length.value_or(0) > bytes_max) {
        failure = too_large();
        return;
    }
    auto begun = state.tree.begin_upload(route.container, route.path, *options);
    if (!begun) return fail(begun.error());
    upload = *std::move(begun);
}

void UploadRequest::append(Bytes bytes) {
    hash_.add(bytes);
    if (auto appended = upload->append(bytes); !appended) fail(appended.error());
}

void UploadRequest::settle() {
    const auto hash = hash_.finish();
    if (!hash) return fail(Error(Errc::kIo, "hashing a body failed"));
    found_hash_ = *hash;
    if (!signed_body_.accepts(found_hash_)) {
        failure =
            error_response({403, "InvalidSignatureException",
                            "The request signature we calculated does not match the signature "
                            "you provided: it covers another body"});
        return;
    }
    if (wanted_hash_ && *wanted_hash_ != found_hash_) {
        Fault fault = fault_of_status(400, "the body's SHA-256 is not x-amz-content-sha256");
        if (dialect_ == Dialect::kMediaStore) {
            fault.status = 403;
            fault.type = "InvalidSignatureException";
        }
        failure = error_response(fault);
        return;
    }
    if (auto durable = upload->make_durable(); !durable) fail(durable.error());
}

void UploadRequest::publish() {
    const auto published = upload->publish(found_hash_);
    if (!published) return fail(published.error());
    const nlohmann::ordered_json body{{"ContentSHA256", to_hex(found_hash_)},
                                      {"ETag", published->etag.hex()},
                                      {"StorageClass", "TEMPORAL"}};
    response = text_response(200, "application/json", body.dump());
}

}  // namespace reelfs::http
