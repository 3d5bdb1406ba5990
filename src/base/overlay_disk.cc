// Changes in memory over a disk, see overlay_disk.h.
#include "reelfs/base/overlay_disk.h"

#include <algorithm>
#include <array>

namespace reelfs {

namespace {

constexpr std::uint64_t kPage = 4096;

Error absent(const std::string& path) {
    return {Errc::kNotFound, "open " + path + ": No such file or directory"};
}

std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

}  // namespace

/// One file's bytes: those of the file below as far as `base_size_`, under the pages changed here.
class OverlayDisk::Content {
  public:
    Content(std::shared_ptr<File> base, std::uint64_t size)
        : base_(std::move(base)), base_size_(size), size_(size) {}

    /// As File's calls of this form.
    using ReadCall = Result<std::size_t> (File::*)(std::uint64_t, MutableBytes) const;
    Result<std::size_t> read(ReadCall call, std::uint64_t offset, MutableBytes out) {
        MutexLock lock(mutex_);
        if (offset >= size_) return std::size_t{0};
        out = out.first(
            static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), size_ - offset)));
        RF_CHECK(read_base(call, offset, out));
        for (auto page = pages_.lower_bound(offset / kPage); page != pages_.end(); ++page) {
            const std::uint64_t start = page->first * kPage;
            if (start >= offset + out.size()) break;
            const std::uint64_t from = std::max(start, offset);
            const std::uint64_t to = std::min(start + kPage, offset + out.size());
            std::byte* const target = out.data() + (from - offset);
            if (page->second)
                std::copy_n(page->second->data() + (from - start), to - from, target);
            else
                std::fill_n(target, to - from, std::byte{});
        }
        return out.size();
    }

    Result<void> write(std::uint64_t offset, std::span<const Bytes> pieces) {
        MutexLock lock(mutex_);
        for (Bytes piece : pieces) {
            while (!piece.empty()) {
                const std::uint64_t index = offset / kPage, within = offset % kPage;
                const auto part =
                    static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), kPage - within));
                RF_TRY(Page * page, page_at(index));
                std::copy_n(piece.data(), part, page->data() + within);
                piece = piece.subspan(part);
                offset += part;
                size_ = std::max(size_, offset);
            }
        }
        return done();
    }

    Result<void> truncate(std::uint64_t size) {
        MutexLock lock(mutex_);
        if (size < size_) {
            base_size_ = std::min(base_size_, size);
            pages_.erase(pages_.lower_bound((size + kPage - 1) / kPage), pages_.end());
            if (auto last = pages_.find(size / kPage); last != pages_.end() && last->second)
                std::fill(last->second->begin() + static_cast<std::ptrdiff_t>(size % kPage),
                          last->second->end(), std::byte{});
        }
        size_ = size;
        return done();
    }

    Result<void> punch(std::uint64_t offset, std::uint64_t length) {
        MutexLock lock(mutex_);
        for (const std::uint64_t end = std::min(offset + length, size_); offset < end;) {
            const std::uint64_t within = offset % kPage,
                                part = std::min(kPage - within, end - offset);
            if (part == kPage) {
                pages_[offset / kPage] = nullptr;
            } else {
                RF_TRY(Page * page, page_at(offset / kPage));
                std::fill_n(page->data() + within, part, std::byte{});
            }
            offset += part;
        }
        return done();
    }

    void allocate(std::uint64_t end) {
        MutexLock lock(mutex_);
        size_ = std::max(size_, end);
    }
    std::uint64_t size() {
        MutexLock lock(mutex_);
        return size_;
    }
    void drop_cache() {
        if (base_) base_->drop_cache();
    }
    void will_need(std::uint64_t offset, std::uint64_t length) {
        if (base_) base_->will_need(offset, length);
    }

  private:
    using Page = std::array<std::byte, kPage>;

    Result<void> read_base(ReadCall call, std::uint64_t offset, MutableBytes out) REQUIRES(mutex_) {
        std::size_t there = 0;
        if (base_ && offset < base_size_) {
            const auto want =
                static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), base_size_ - offset));
            RF_TRY(there, ((*base_).*call)(offset, out.first(want)));
        }
        std::fill(out.begin() + static_cast<std::ptrdiff_t>(there), out.end(), std::byte{});
        return done();
    }
    Result<Page*> page_at(std::uint64_t index) REQUIRES(mutex_) {
        auto known = pages_.find(index);
        if (known == pages_.end()) {
            auto page = std::make_unique<Page>();
            RF_CHECK(read_base(&File::read_at, index * kPage, *page));
            known = pages_.emplace(index, std::move(page)).first;
        } else if (!known->second) {
            known->second = std::make_unique<Page>();
        }
        return known->second.get();
    }

    const std::shared_ptr<File> base_;  // null: made here
    Mutex mutex_;
    std::uint64_t base_size_ GUARDED_BY(mutex_);  // of what still shows through
    std::uint64_t size_ GUARDED_BY(mutex_);
    std::map<std::uint64_t, std::unique_ptr<Page>> pages_ GUARDED_BY(mutex_);  // null: zeros
};

namespace {

class OverlayFile final : public File {
  public:
    OverlayFile(OverlayDisk& disk, std::shared_ptr<OverlayDisk::Content> content)
        : disk_(disk), content_(std::move(content)) {}
    Result<std::size_t> read_at(std::uint64_t offset, MutableBytes out) const override {
        return content_->read(&File::read_at, offset, out);
    }
    Result<std::size_t> read_device_at(std::uint64_t offset, MutableBytes out) const override {
        return content_->read(&File::read_device_at, offset, out);
    }
    Result<void> write_at(std::uint64_t offset, std::span<const Bytes> pieces) override {
        disk_.keep(content_);
        return content_->write(offset, pieces);
    }
    Result<void> sync() override { return done(); }
    Result<std::uint64_t> size() const override { return content_->size(); }
    Result<void> truncate(std::uint64_t size) override {
        disk_.keep(content_);
        return content_->truncate(size);
    }
    Result<void> punch(std::uint64_t offset, std::uint64_t length) override {
        disk_.keep(content_);
        return content_->punch(offset, length);
    }
    Result<void> allocate(std::uint64_t offset, std::uint64_t length) override {
        disk_.keep(content_);
        content_->allocate(offset + length);
        return done();
    }
    void drop_cache() override { content_->drop_cache(); }
    void will_need(std::uint64_t offset, std::uint64_t length) override {
        content_->will_need(offset, length);
    }

  private:
    OverlayDisk& disk_;
    const std::shared_ptr<OverlayDisk::Content> content_;
};

}  // namespace

OverlayDisk::OverlayDisk(Disk& base) : base_(base) {}
OverlayDisk::~OverlayDisk() = default;

Result<std::shared_ptr<OverlayDisk::Content>> OverlayDisk::find(const std::string& path) {
    if (auto known = names_.find(path); known != names_.end()) return known->second.file;
    if (auto known = opened_.find(path); known != opened_.end()) {
        if (auto content = known->second.lock()) return content;
        opened_.erase(known);
    }
    auto file = base_.open(path, OpenMode::kRead);
    if (!file && file.error().code() == Errc::kNotFound) return std::shared_ptr<Content>();
    if (!file) return std::move(file).error();
    RF_TRY(const std::uint64_t size, (*file)->size());
    auto content = std::make_shared<Content>(*std::move(file), size);
    opened_[path] = content;
    return content;
}

Result<bool> OverlayDisk::is_there(const std::string& path) {
    if (auto known = names_.find(path); known != names_.end())
        return known->second.directory || known->second.file != nullptr;
    return base_.exists(path);
}

Result<std::unique_ptr<File>> OverlayDisk::open(const std::string& path, OpenMode mode) {
    MutexLock lock(mutex_);
    RF_TRY(auto content, find(path));
    if (content && mode == OpenMode::kCreateNew)
        return Error(Errc::kExists, "open " + path + ": File exists");
    if (!content) {
        if (mode == OpenMode::kRead || mode == OpenMode::kReadWrite) return absent(path);
        RF_TRY(const bool home, is_there(parent_of(path)));
        if (!home) return absent(path);
        content = std::make_shared<Content>(nullptr, 0);
        names_[path] = {.file = content, .directory = false};
    }
    return std::unique_ptr<File>(std::make_unique<OverlayFile>(*this, std::move(content)));
}

void OverlayDisk::keep(const std::shared_ptr<Content>& content) {
    MutexLock lock(mutex_);
    kept_.insert(content);
}

Result<bool> OverlayDisk::exists(const std::string& path) {
    MutexLock lock(mutex_);
    return is_there(path);
}

Result<void> OverlayDisk::make_directory(const std::string& path) {
    MutexLock lock(mutex_);
    RF_TRY(const bool there, is_there(path));
    if (there) return done();
    RF_TRY(const bool home, is_there(parent_of(path)));
    if (!home) return absent(path);
    names_[path] = {.file = nullptr, .directory = true};
    return done();
}

Result<std::vector<std::string>> OverlayDisk::list(const std::string& path) {
    MutexLock lock(mutex_);
    RF_TRY(const bool there, is_there(path));
    if (!there) return absent(path);
    std::set<std::string> names;
    if (auto known = names_.find(path); known == names_.end()) {
        RF_TRY(const auto below, base_.list(path));
        names.insert(below.begin(), below.end());
    }
    const std::string prefix = path == "/" ? path : path + "/";
    for (auto at = names_.lower_bound(prefix); at != names_.end() && at->first.starts_with(prefix);
         ++at) {
        const std::string name = at->first.substr(prefix.size());
        if (name.find('/') != std::string::npos) continue;
        if (at->second.directory || at->second.file)
            names.insert(name);
        else
            names.erase(name);
    }
    return std::vector<std::string>(names.begin(), names.end());
}

Result<void> OverlayDisk::rename(const std::string& source, const std::string& target) {
    MutexLock lock(mutex_);
    if (auto known = names_.find(source); known != names_.end() && known->second.directory)
        return Error(Errc::kUnsupported, "a directory cannot be renamed here: " + source);
    RF_TRY(auto content, find(source));
    if (!content) return absent(source);
    names_[target] = {.file = std::move(content), .directory = false};
    names_[source] = {};
    return done();
}

Result<void> OverlayDisk::remove(const std::string& path) {
    MutexLock lock(mutex_);
    RF_TRY(const bool there, is_there(path));
    if (!there) return absent(path);
    names_[path] = {};
    return done();
}

Result<void> OverlayDisk::remove_directory(const std::string& path) {
    return remove(path);
}

Result<void> OverlayDisk::sync_directory(const std::string& path) {
    MutexLock lock(mutex_);
    RF_TRY(const bool there, is_there(path));
    return there ? done() : Result<void>(absent(path));
}

Result<DiskSpace> OverlayDisk::space(const std::string& path) {
    return base_.space(path);
}

}  // namespace reelfs
