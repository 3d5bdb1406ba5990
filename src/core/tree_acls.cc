// Tree: access control lists. They are xattrs of a node, its mode's bits always in step with them:
// each function here changes both in the transaction it is given.
#include <sys/stat.h>

#include "core/tree_impl.h"

namespace reelfs::core {

using catalog::NodeRow;
using catalog::Reader;
using catalog::Writer;

namespace {

constexpr std::uint32_t kPermissions = 0777;

/// A list that the catalog keeps; it was checked when it was set.
Result<std::optional<PosixAcl>> kept_acl(Reader& r, const NodeRow& row, std::string_view name) {
    if (!row.has_xattrs) return std::optional<PosixAcl>();
    RF_TRY(auto value, r.xattr(row.attributes.node, name));
    if (!value) return std::optional<PosixAcl>();
    auto acl = PosixAcl::parse(*value);
    if (!acl) return Error(Errc::kCorrupt, "a bad access control list in the catalog");
    return std::optional<PosixAcl>(*std::move(acl));
}

void set_permissions(Attributes& attributes, std::uint32_t permissions) {
    attributes.mode = (attributes.mode & ~kPermissions) | permissions;
}

}  // namespace

Result<bool> TreeImpl::inherit_acl(Writer& w, const NodeRow& parent, NodeRow& row) const {
    Attributes& attributes = row.attributes;
    RF_TRY(auto inherited, kept_acl(w, parent, kDefaultAclName));
    if (!inherited) return false;
    PosixAcl access = *inherited;
    access.restrict_to(attributes.mode);
    set_permissions(attributes, access.mode());
    if (!access.says_no_more_than_a_mode()) {
        row.has_xattrs = true;
        RF_CHECK(w.set_xattr(attributes.node, kAccessAclName, access.serialize()));
    }
    if (attributes.is_directory()) {
        row.has_xattrs = true;
        RF_CHECK(w.set_xattr(attributes.node, kDefaultAclName, inherited->serialize()));
    }
    return true;
}

Result<void> TreeImpl::insert_child(Writer& w, const Caller& caller, const NodeRow& parent,
                                    NodeRow& row) const {
    RF_CHECK(context_.quotas.check_object(w, row.attributes.container));
    if (row.attributes.type == NodeType::kSymlink)
        return w.insert_node(row);  // neither list nor umask
    RF_TRY(bool inherited, inherit_acl(w, parent, row));
    if (!inherited) row.attributes.mode &= ~(caller.umask & kPermissions);
    return w.insert_node(row);
}

Result<void> TreeImpl::set_mode(Writer& w, NodeRow& row, std::uint32_t mode) const {
    row.attributes.mode = mode;
    RF_TRY(auto access, kept_acl(w, row, kAccessAclName));
    if (!access) return done();
    access->set_mode(mode);
    return w.set_xattr(row.attributes.node, kAccessAclName, access->serialize());
}

Result<void> TreeImpl::set_acl(Writer& w, NodeRow& row, std::string_view name, Bytes value,
                               SetGid sgid) const {
    Attributes& attributes = row.attributes;
    if (attributes.type == NodeType::kSymlink)
        return Error(Errc::kUnsupported, "a symbolic link has no access control list");
    RF_TRY(PosixAcl acl, PosixAcl::parse(value));
    row.implicit_folder = false;  // as after chmod
    bool keeps = true;
    if (name == kDefaultAclName) {
        if (!attributes.is_directory())
            return Error(Errc::kAccessDenied,
                         "only directories have a default access control list");
    } else {
        set_permissions(attributes, acl.mode());
        if (sgid == SetGid::kClear) attributes.mode &= ~std::uint32_t{S_ISGID};
        keeps = !acl.says_no_more_than_a_mode();
    }
    if (keeps) {
        row.has_xattrs = true;
        return w.set_xattr(attributes.node, name, acl.serialize());
    }
    RF_TRY(auto present, w.xattr(attributes.node, name));
    if (!present) return done();
    RF_CHECK(w.delete_xattr(attributes.node, name));
    RF_TRY(auto names, w.xattr_names(attributes.node));
    row.has_xattrs = !names.empty();
    return done();
}

}  // namespace reelfs::core
