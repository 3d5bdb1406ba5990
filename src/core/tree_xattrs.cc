// Tree: extended attributes. `user.reelfs.*` is ours: computed, read-only, not listed (so that cp
// and rsync do not carry it along). Values that become HTTP headers are checked when they are set.
#include <algorithm>

#include "core/content_hash.h"
#include "core/tree_impl.h"
#include "reelfs/model/limits.h"

namespace reelfs::core {

using catalog::Reader;
using catalog::Writer;

namespace {

constexpr std::string_view kOurs = "user.reelfs.";
constexpr std::string_view kETag = "user.reelfs.etag";

bool becomes_header(std::string_view name) {
    return name == "user.mime_type" || name == "user.cache_control";
}

bool header_safe(Bytes value) {
    return value.size() <= limits::header_value_bytes_max &&
           std::all_of(value.begin(), value.end(), [](std::byte b) {
               const auto c = std::to_integer<unsigned char>(b);
               return (c >= 0x20 && c <= 0x7e) || c == '\t';
           });
}

Result<void> check_name(std::string_view name) {
    if (name.empty() || name.size() > limits::xattr_name_bytes_max)
        return Error(Errc::kRange, "an attribute name has 1 to 255 bytes");
    if (is_acl_name(name)) return done();
    for (std::string_view space : {"user.", "trusted.", "security."})
        if (name.starts_with(space))
            return name.size() > space.size()
                       ? done()
                       : Error(Errc::kInvalid, "a space of attributes is not a name");
    return Error(Errc::kUnsupported,
                 "attributes are kept in the spaces user, trusted and security, and of system the "
                 "access control lists");
}

}  // namespace

Result<std::vector<std::byte>> TreeImpl::get_xattr(NodeId id, std::string_view name) {
    RF_CHECK(check_name(name));
    std::optional<std::vector<std::byte>> value;
    RF_CHECK(context_.catalog.read([&](Reader& r) -> Result<void> {
        if (name.starts_with(kOurs)) {
            RF_TRY(auto row, require(r, id));
            if (!row.attributes.is_file()) return done();
            bool growing = false, written = false;
            if (auto node = context_.nodes.find(id)) {
                MutexLock lock(node->mutex);
                growing = node->growing;
                written = !node->runs.empty() || !node->batches.empty();
            }
            if (name == kETag && !growing) value = copy_of(bytes_of(row.etag.hex()));
            if (name == kContentHashName && !growing && !written) {
                RF_TRY(auto hash, content_hash(r, row));
                if (hash) value = copy_of(bytes_of(*hash));
            }
            return done();
        }
        RF_TRY(value, r.xattr(id, name));
        return done();
    }));
    if (!value) return Error(Errc::kNoAttribute, "no such attribute");
    return *std::move(value);
}

Result<std::vector<std::string>> TreeImpl::list_xattrs(NodeId id) {
    std::vector<std::string> names;
    RF_CHECK(context_.catalog.read([&](Reader& r) -> Result<void> {
        RF_TRY(auto row, require(r, id));
        if (!row.has_xattrs) return done();
        RF_TRY(names, r.xattr_names(id));
        std::erase_if(names, [](const std::string& name) { return name.starts_with(kOurs); });
        return done();
    }));
    return names;
}

Result<void> TreeImpl::set_xattr(NodeId id, std::string_view name, Bytes value, XattrMode mode,
                                 SetGid sgid) {
    RF_CHECK(check_name(name));
    if (name.starts_with(kOurs))
        return Error(Errc::kNotPermitted, "user.reelfs attributes are read-only");
    if (value.size() > limits::xattr_value_bytes_max)
        return Error(Errc::kValueTooBig, "an attribute value has at most 64 KiB");
    if (becomes_header(name) && !header_safe(value))
        return Error(Errc::kInvalid,
                     "a value that becomes an HTTP header is at most 1024 visible ASCII "
                     "characters, spaces and tabs");
    return transact(Effect::kAdds, [&](Writer& w, Changed& changed) -> Result<void> {
        RF_TRY(auto row, require(w, id));
        if (mode != XattrMode::kSet) {
            RF_TRY(auto present, w.xattr(id, name));
            if (mode == XattrMode::kCreate && present)
                return Error(Errc::kExists, "the attribute exists");
            if (mode == XattrMode::kReplace && !present)
                return Error(Errc::kNoAttribute, "no such attribute");
        }
        RF_TRY(auto names, w.xattr_names(id));
        std::size_t list_bytes = name.size() + 1;
        for (const std::string& other : names) list_bytes += other == name ? 0 : other.size() + 1;
        if (list_bytes > limits::xattr_list_bytes_max)
            return Error(Errc::kNoSpace, "too many attributes on one file");
        if (is_acl_name(name)) {
            RF_CHECK(set_acl(w, row, name, value, sgid));
        } else {
            RF_CHECK(w.set_xattr(id, name, value));
            row.has_xattrs = true;
        }
        row.attributes.changed = context_.clock.now();
        RF_CHECK(w.update_node(row));
        changed.push_back(row);
        return done();
    });
}

Result<void> TreeImpl::remove_xattr(NodeId id, std::string_view name) {
    RF_CHECK(check_name(name));
    if (name.starts_with(kOurs))
        return Error(Errc::kNotPermitted, "user.reelfs attributes are read-only");
    return transact(Effect::kFrees, [&](Writer& w, Changed& changed) -> Result<void> {
        RF_TRY(auto row, require(w, id));
        if (is_acl_name(name)) {
            // A file always has a list, if only its mode: without more there is nothing to do.
            RF_TRY(auto present, w.xattr(id, name));
            if (!present) return done();
        }
        RF_CHECK(w.delete_xattr(id, name));
        RF_TRY(auto names, w.xattr_names(id));
        row.has_xattrs = !names.empty();
        row.attributes.changed = context_.clock.now();
        RF_CHECK(w.update_node(row));
        changed.push_back(row);
        return done();
    });
}

}  // namespace reelfs::core
