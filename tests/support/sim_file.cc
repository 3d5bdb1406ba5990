#include "support/sim_file.h"

#include <xxhash.h>

#include <algorithm>

namespace reelfs::test {

namespace {

std::uint64_t below(Random& random, std::uint64_t bound) {
    return bound == 0 ? 0 : random.integer<std::uint64_t>() % bound;
}

/// The part of [offset, offset + length) that lies in a page, as file offsets.
struct Clip {
    std::uint64_t begin, end;
    Clip(std::uint64_t offset, std::uint64_t length, std::uint64_t page)
        : begin(std::max(offset, page * kPageBytes)),
          end(std::min(offset + length, (page + 1) * kPageBytes)) {}
    bool empty() const { return begin >= end; }
};

std::uint64_t pages_end(std::uint64_t offset) {
    return (offset + kPageBytes - 1) / kPageBytes;
}

/// `journaled` changes decide size and holes; `choose(page, changes, at_least, at_most)` says for a
/// page, and the changes that touch it, how many changes of the log its data has seen.
template <class Choose>
Image assemble(const Image& durable, const std::vector<Change>& log, std::size_t journaled,
               Choose choose) {
    std::uint64_t size = durable.size();
    std::vector<std::size_t> holes;
    std::map<std::uint64_t, std::vector<std::size_t>> touching;  // page -> indices in the log
    for (std::uint64_t page : durable.pages()) touching[page];
    for (std::size_t i = 0; i < log.size(); ++i) {
        if (i < journaled) size = size_after(log[i], size);
        if (log[i].is_hole()) holes.push_back(i);
        if (log[i].kind != Change::Kind::kWrite) continue;
        for (std::uint64_t page = log[i].offset / kPageBytes;
             page < pages_end(log[i].offset + log[i].length); ++page)
            touching[page].push_back(i);
    }
    Image image = durable;
    for (auto& [page, changes] : touching) {
        // A page is never older than a hole that the journal has, nor newer than one it has not.
        std::size_t at_least = 0, at_most = log.size();
        for (std::size_t hole : holes) {
            if (!log[hole].touches(page)) continue;
            changes.push_back(hole);
            if (hole < journaled) at_least = hole + 1;
            if (hole >= journaled) at_most = std::min(at_most, hole);
        }
        if (changes.empty()) continue;
        std::sort(changes.begin(), changes.end());
        const std::size_t seen = choose(page, changes, at_least, at_most);
        for (std::size_t i : changes)
            if (i < seen) image.apply_to_page(log[i], page);
    }
    image.set_size(size);
    return image;
}

Image torn_image(const Image& durable, const std::vector<Change>& log, std::uint64_t moment,
                 Random& random) {
    Image image = durable;
    for (const Change& change : log) {
        if (change.sequence > moment) break;
        if (change.sequence < moment || change.kind != Change::Kind::kWrite) {
            image.apply(change);
            continue;
        }
        const std::uint64_t unit = below(random, 2) == 0 ? kSectorBytes : kPageBytes;
        const std::uint64_t first = change.offset / unit;
        const std::uint64_t last = (change.offset + change.length) / unit;
        const std::uint64_t cut = (first + below(random, last - first + 1)) * unit;
        if (cut > change.offset)
            image.write(change.offset, Bytes(*change.bytes).first(cut - change.offset));
    }
    return image;
}

std::uint64_t hash_of(const Page& page) {
    std::uint64_t hash = page.hash.load();
    if (hash == 0) {
        hash = XXH3_64bits(page.bytes.data(), page.bytes.size());
        page.hash.store(hash);
    }
    return hash;
}

}  // namespace

bool Change::touches(std::uint64_t page) const {
    if (kind == Kind::kTruncate) return (page + 1) * kPageBytes > offset;
    return !Clip(offset, length, page).empty();
}

std::uint64_t size_after(const Change& change, std::uint64_t size) {
    switch (change.kind) {
        case Change::Kind::kWrite:
        case Change::Kind::kAllocate:
            return std::max(size, change.offset + change.length);
        case Change::Kind::kTruncate:
            return change.offset;
        case Change::Kind::kPunch:
            return size;
    }
    return size;
}

Image& Image::operator=(const Image& other) {
    if (this == &other) return *this;
    pages_ = other.pages_;
    size_ = other.size_;
    for (auto& [index, page] : pages_) page->shared.store(true);
    return *this;
}

std::vector<std::uint64_t> Image::pages() const {
    std::vector<std::uint64_t> indices;
    indices.reserve(pages_.size());
    for (const auto& [index, page] : pages_) indices.push_back(index);
    return indices;
}

std::size_t Image::read(std::uint64_t offset, MutableBytes out) const {
    if (offset >= size_) return 0;
    const std::size_t count = std::min<std::uint64_t>(out.size(), size_ - offset);
    const std::uint64_t end = offset + count;
    std::uint64_t at = offset;
    for (auto page = pages_.lower_bound(offset / kPageBytes);
         page != pages_.end() && page->first * kPageBytes < end; ++page) {
        const std::uint64_t from = std::max(offset, page->first * kPageBytes),
                            to = std::min(end, (page->first + 1) * kPageBytes);
        std::memset(out.data() + (at - offset), 0, from - at);
        std::memcpy(out.data() + (from - offset), page->second->bytes.data() + from % kPageBytes,
                    to - from);
        at = to;
    }
    std::memset(out.data() + (at - offset), 0, end - at);
    return count;
}

void Image::apply(const Change& change) {
    switch (change.kind) {
        case Change::Kind::kWrite:
            write(change.offset, *change.bytes);
            return;
        case Change::Kind::kTruncate:
            set_size(change.offset);
            return;
        case Change::Kind::kPunch:
            punch(change.offset, change.length);
            return;
        case Change::Kind::kAllocate:
            for (std::uint64_t page = change.offset / kPageBytes;
                 page < pages_end(change.offset + change.length); ++page)
                writable(page);
            size_ = size_after(change, size_);
            return;
    }
}

void Image::apply_to_page(const Change& change, std::uint64_t page) {
    const std::uint64_t page_end = (page + 1) * kPageBytes;
    switch (change.kind) {
        case Change::Kind::kWrite: {
            Clip clip(change.offset, change.length, page);
            if (!clip.empty())
                write_page(page, clip.begin - page * kPageBytes,
                           Bytes(*change.bytes)
                               .subspan(clip.begin - change.offset, clip.end - clip.begin));
            return;
        }
        case Change::Kind::kTruncate:
            if (change.offset < page_end) punch(change.offset, page_end - change.offset);
            return;
        case Change::Kind::kPunch: {
            Clip clip(change.offset, change.length, page);
            if (!clip.empty()) punch(clip.begin, clip.end - clip.begin);
            return;
        }
        case Change::Kind::kAllocate:
            return;
    }
}

void Image::write(std::uint64_t offset, Bytes bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
        const std::uint64_t inside = (offset + at) % kPageBytes;
        const std::size_t n = std::min<std::uint64_t>(bytes.size() - at, kPageBytes - inside);
        write_page((offset + at) / kPageBytes, inside, bytes.subspan(at, n));
        at += n;
    }
    size_ = std::max(size_, offset + bytes.size());
}

void Image::set_size(std::uint64_t size) {
    pages_.erase(pages_.lower_bound(pages_end(size)), pages_.end());
    if (size % kPageBytes != 0 && pages_.count(size / kPageBytes) != 0)
        punch(size, kPageBytes - size % kPageBytes);
    size_ = size;
}

std::uint64_t Image::pages_missing(std::uint64_t offset, std::uint64_t length) const {
    if (length == 0) return 0;
    const std::uint64_t first = offset / kPageBytes, end = pages_end(offset + length);
    std::uint64_t present = 0;
    for (auto page = pages_.lower_bound(first); page != pages_.end() && page->first < end; ++page)
        ++present;
    return end - first - present;
}

std::uint64_t Image::fingerprint() const {
    static const std::uint64_t kZeros = hash_of(Page{});
    std::uint64_t sum = size_;
    for (const auto& [index, page] : pages_) {
        const std::uint64_t hash = hash_of(*page);
        if (hash == kZeros) continue;
        const std::array<std::uint64_t, 3> words{sum, index, hash};
        sum = XXH3_64bits(words.data(), sizeof words);
    }
    return sum;
}

std::byte* Image::writable(std::uint64_t index) {
    std::shared_ptr<Page>& page = pages_[index];
    if (!page) {
        page = std::make_shared<Page>();
    } else if (page->shared.load()) {
        auto own = std::make_shared<Page>();
        own->bytes = page->bytes;
        page = std::move(own);
    }
    page->hash.store(0);
    return page->bytes.data();
}

void Image::write_page(std::uint64_t page, std::uint64_t inside, Bytes bytes) {
    std::memcpy(writable(page) + inside, bytes.data(), bytes.size());
}

void Image::punch(std::uint64_t offset, std::uint64_t length) {
    auto page = pages_.lower_bound(offset / kPageBytes);
    while (page != pages_.end()) {
        Clip clip(offset, length, page->first);
        if (clip.empty()) break;
        if (clip.end - clip.begin == kPageBytes) {
            page = pages_.erase(page);
            continue;
        }
        std::memset(writable(page->first) + clip.begin % kPageBytes, 0, clip.end - clip.begin);
        ++page;
    }
}

Image image_after_crash(const Image& durable, const std::vector<Change>& log, Crash choice,
                        std::uint64_t moment, Random& random) {
    switch (choice) {
        case Crash::kSynced:
            return durable;
        case Crash::kWritten: {
            Image image = durable;
            for (const Change& change : log) image.apply(change);
            return image;
        }
        case Crash::kSubset: {
            const std::size_t journaled = below(random, log.size() + 1);
            return assemble(
                durable, log, journaled,
                [&](std::uint64_t, const auto&, std::size_t at_least, std::size_t at_most) {
                    return at_least + below(random, at_most - at_least + 1);
                });
        }
        case Crash::kTorn:
            return torn_image(durable, log, moment, random);
        case Crash::kZeros:
            return assemble(durable, log, log.size(),
                            [](std::uint64_t, const auto&, std::size_t at_least, std::size_t) {
                                return at_least;
                            });
        case Crash::kMixed: {
            const Crash own = kEveryCrash[below(random, kEveryCrash.size() - 1)];
            const std::uint64_t cut =
                log.empty() ? moment : log[below(random, log.size())].sequence;
            return image_after_crash(durable, log, own, cut, random);
        }
    }
    return durable;
}

Image image_after_cut(const Image& durable, const std::vector<Change>& log, const Cut& cut) {
    const auto first_page = [](const Change& change) {
        return change.kind == Change::Kind::kWrite ? change.offset / kPageBytes : 0;
    };
    std::vector<Change> left = log;  // a torn write is as long as it got
    std::size_t journaled = 0;
    for (std::size_t i = 0; i < left.size(); ++i) {
        Change& change = left[i];
        if (change.kind == Change::Kind::kWrite && change.sequence == cut.torn)
            change.bytes = std::make_shared<const std::vector<std::byte>>(
                change.bytes->begin(),
                change.bytes->begin() + static_cast<std::ptrdiff_t>(cut.torn_bytes)),
            change.length = cut.torn_bytes;
        const std::uint64_t end =
            change.kind == Change::Kind::kWrite ? pages_end(change.offset + change.length) : 1;
        for (std::uint64_t page = first_page(change); page < end; ++page)
            if (cut.kept(change.sequence, page)) journaled = i + 1;
    }
    if (cut.sizes_ahead) journaled = left.size();
    Image image = assemble(
        durable, left, journaled,
        [&](std::uint64_t page, const std::vector<std::size_t>& changes, std::size_t at_least,
            std::size_t at_most) {
            std::size_t seen = at_least;
            for (std::size_t i : changes)
                if (left[i].kind == Change::Kind::kWrite && cut.kept(left[i].sequence, page))
                    seen = std::max(seen, i + 1);
            return std::min(seen, at_most);
        });
    if (cut.sizes_ahead) {
        std::uint64_t size = durable.size();
        for (const Change& change : log) size = size_after(change, size);
        image.set_size(size);
    }
    return image;
}

}  // namespace reelfs::test
