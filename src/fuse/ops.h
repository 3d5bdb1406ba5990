// The callbacks, one file per family: ops_names.cc, ops_attributes.cc, ops_io.cc, ops_directory.cc,
// ops_xattr.cc. Each runs on one of libfuse's worker threads, answers its request exactly once
// (reply.h) and throws nothing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "fuse/libfuse.h"

namespace reelfs::fuse::ops {

// ops_names.cc
void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) noexcept;
void forget(fuse_req_t request, fuse_ino_t ino, std::uint64_t lookups) noexcept;
void forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* nodes) noexcept;
void readlink(fuse_req_t request, fuse_ino_t ino) noexcept;
void mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
           dev_t device) noexcept;
void mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) noexcept;
void unlink(fuse_req_t request, fuse_ino_t parent, const char* name) noexcept;
void rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) noexcept;
void symlink(fuse_req_t request, const char* target, fuse_ino_t parent, const char* name) noexcept;
void rename(fuse_req_t request, fuse_ino_t source_parent, const char* source_name,
            fuse_ino_t target_parent, const char* target_name, unsigned flags) noexcept;
void link(fuse_req_t request, fuse_ino_t ino, fuse_ino_t parent, const char* name) noexcept;

// ops_attributes.cc
void getattr(fuse_req_t request, fuse_ino_t ino, fuse_file_info* file) noexcept;
void setattr(fuse_req_t request, fuse_ino_t ino, struct stat* wanted, int to_set,
             fuse_file_info* file) noexcept;
void access(fuse_req_t request, fuse_ino_t ino, int mask) noexcept;
void statfs(fuse_req_t request, fuse_ino_t ino) noexcept;

// ops_io.cc
void create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
            fuse_file_info* file) noexcept;
void open(fuse_req_t request, fuse_ino_t ino, fuse_file_info* file) noexcept;
void read(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset,
          fuse_file_info* file) noexcept;
void write(fuse_req_t request, fuse_ino_t ino, const char* bytes, std::size_t size, off_t offset,
           fuse_file_info* file) noexcept;
void flush(fuse_req_t request, fuse_ino_t ino, fuse_file_info* file) noexcept;
void fsync(fuse_req_t request, fuse_ino_t ino, int data_only, fuse_file_info* file) noexcept;
void release(fuse_req_t request, fuse_ino_t ino, fuse_file_info* file) noexcept;
void fallocate(fuse_req_t request, fuse_ino_t ino, int mode, off_t offset, off_t length,
               fuse_file_info* file) noexcept;
void lseek(fuse_req_t request, fuse_ino_t ino, off_t offset, int whence,
           fuse_file_info* file) noexcept;
void copy_file_range(fuse_req_t request, fuse_ino_t source, off_t source_offset,
                     fuse_file_info* source_file, fuse_ino_t target, off_t target_offset,
                     fuse_file_info* target_file, std::size_t length, int flags) noexcept;

// ops_directory.cc
void opendir(fuse_req_t request, fuse_ino_t ino, fuse_file_info* file) noexcept;
void readdir(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset,
             fuse_file_info* file) noexcept;
void readdirplus(fuse_req_t request, fuse_ino_t ino, std::size_t size, off_t offset,
                 fuse_file_info* file) noexcept;
void releasedir(fuse_req_t request, fuse_ino_t ino, fuse_file_info* file) noexcept;
void fsyncdir(fuse_req_t request, fuse_ino_t ino, int data_only, fuse_file_info* file) noexcept;

// ops_xattr.cc
void setxattr(fuse_req_t request, fuse_ino_t ino, const char* name, const char* value,
              std::size_t size, int flags) noexcept;
void getxattr(fuse_req_t request, fuse_ino_t ino, const char* name, std::size_t size) noexcept;
void listxattr(fuse_req_t request, fuse_ino_t ino, std::size_t size) noexcept;
void removexattr(fuse_req_t request, fuse_ino_t ino, const char* name) noexcept;

/// All of them. `access` only where the kernel does not check permission bits itself.
fuse_lowlevel_ops table(bool default_permissions);

}  // namespace reelfs::fuse::ops
