// Extended attributes. A size of 0 asks how large the answer would be. Who may set an access
// control list, and on what, the kernel has checked before it asks (it does so itself with
// POSIX_ACL).
#include <sys/xattr.h>

#include <cerrno>
#include <string_view>

#include "fuse/ops.h"
#include "fuse/reply.h"
#include "fuse/translate.h"
#include "reelfs/model/posix_acl.h"

namespace reelfs::fuse::ops {
namespace {

/// Namespaces this mount does not have. EOPNOTSUPP, not ENODATA: `ls -l` then asks once for the
/// whole listing instead of once for each file.
bool unsupported(const Door& door, std::string_view name) {
    return name == "security.selinux" || (is_acl_name(name) && !door.acl);
}

/// By Linux's rule for setfacl(1), see core::SetGid. Asked only where it makes a difference:
/// finding out the caller's groups takes a file of /proc.
Result<core::SetGid> sgid_after(Door& door, fuse_req_t request, NodeId node,
                                std::string_view name) {
    if (name != kAccessAclName || caller_of(request).uid == 0) return core::SetGid::kKeep;
    RF_TRY(Attributes now, door.tree.attributes(node));
    const bool keep = (now.mode & S_ISGID) == 0 || in_group(request, now.gid);
    return keep ? core::SetGid::kKeep : core::SetGid::kClear;
}

void sized(Reply& reply, Bytes value, std::size_t size) {
    if (size == 0) return std::move(reply).xattr_size(value.size());
    if (value.size() > size) return std::move(reply).error_number(ERANGE);
    std::move(reply).bytes(value);
}

}  // namespace

void setxattr(fuse_req_t request, fuse_ino_t ino, const char* name, const char* value,
              std::size_t size, int flags) noexcept {
    answer(request, Operation::kSetxattr, [&](Door& door, Reply& reply) {
        if (unsupported(door, name)) return std::move(reply).error_number(EOPNOTSUPP);
        core::XattrMode mode = core::XattrMode::kSet;
        switch (flags) {
            case 0:
                break;
            case XATTR_CREATE:
                mode = core::XattrMode::kCreate;
                break;
            case XATTR_REPLACE:
                mode = core::XattrMode::kReplace;
                break;
            default:
                return std::move(reply).error_number(EINVAL);
        }
        NodeId node = door.ids.node_of(ino);
        auto sgid = sgid_after(door, request, node, name);
        if (!sgid) return std::move(reply).error(sgid.error());
        std::move(reply).result(
            door.tree.set_xattr(node, name, bytes_of({value, size}), mode, *sgid));
    });
}

void getxattr(fuse_req_t request, fuse_ino_t ino, const char* name, std::size_t size) noexcept {
    answer(request, Operation::kGetxattr, [&](Door& door, Reply& reply) {
        if (unsupported(door, name)) return std::move(reply).error_number(EOPNOTSUPP);
        auto value = door.tree.get_xattr(door.ids.node_of(ino), name);
        if (!value) return std::move(reply).error(value.error());
        sized(reply, *value, size);
    });
}

void listxattr(fuse_req_t request, fuse_ino_t ino, std::size_t size) noexcept {
    answer(request, Operation::kListxattr, [&](Door& door, Reply& reply) {
        auto names = door.tree.list_xattrs(door.ids.node_of(ino));
        if (!names) return std::move(reply).error(names.error());
        const bool privileged = fuse_req_ctx(request)->uid == 0;
        std::string list;  // each name with the NUL that ends it
        for (const std::string& name : *names) {
            if (unsupported(door, name) || (name.starts_with("trusted.") && !privileged)) continue;
            list.append(name).push_back('\0');
        }
        sized(reply, bytes_of(list), size);
    });
}

void removexattr(fuse_req_t request, fuse_ino_t ino, const char* name) noexcept {
    answer(request, Operation::kRemovexattr, [&](Door& door, Reply& reply) {
        if (unsupported(door, name)) return std::move(reply).error_number(EOPNOTSUPP);
        std::move(reply).result(door.tree.remove_xattr(door.ids.node_of(ino), name));
    });
}

}  // namespace reelfs::fuse::ops
