#include "crash/observed.h"

#include <fmt/format.h>
#include <xxhash.h>

#include "crash/walk.h"

namespace reelfs::test {

namespace {

constexpr AnonymousPeer kLocal{.peer_is_loopback = true, .host_is_local = true, .forwarded = false};

Result<Observed::File> read_file_of(core::Tree& tree, const Attributes& attributes,
                                    const std::string& name) {
    Observed::File file;
    file.size = attributes.size;
    file.links = attributes.links;
    file.modified_ns = attributes.modified.ns;
    RF_TRY(auto handle, tree.open(attributes.node, {.read = true}));
    std::vector<std::byte> bytes(attributes.size);
    auto count = tree.read(*handle, 0, bytes);
    tree.release(handle);
    if (!count) return std::move(count).error();
    if (*count != bytes.size()) return Error(Errc::kIo, "a read ended early");
    file.hash = hash_of(bytes);
    RF_TRY(auto object, tree.open_object(kLocal, "c", {name}));
    file.etag = object->etag().hex();
    return file;
}

void add_all(std::vector<std::string>& to, const std::vector<std::string>& from,
             std::string_view when) {
    for (const std::string& problem : from) to.push_back(fmt::format("{}: {}", when, problem));
}

}  // namespace

std::uint64_t hash_of(Bytes bytes) {
    return XXH3_64bits(bytes.data(), bytes.size());
}

Result<std::unique_ptr<core::Volume>> open_volume(SimDisk& disk, Random& random, Clock& clock) {
    core::OpenOptions options;
    options.directory = "/data/store";
    options.unlock = test_key();
    options.memory_bytes = 32 << 20;
    options.background_barrier_ms = 0;
    return core::open_store({disk, random, clock}, options);
}

Result<Observed> read_tree(core::Tree& tree) {
    Observed observed;
    std::map<NodeId, std::size_t> known;
    RF_TRY(Attributes container, tree.lookup(kRootNode, "c"));
    RF_TRY(auto directory, tree.open_directory(container.node));
    std::vector<std::pair<std::string, Attributes>> entries;
    RF_CHECK(tree.list(*directory, 0, true, [&](const core::Tree::Listed& listed) {
        if (listed.attributes != nullptr) entries.emplace_back(listed.name, *listed.attributes);
        return true;
    }));
    for (const auto& [name, attributes] : entries) {
        auto [place, is_new] = known.emplace(attributes.node, observed.files.size());
        observed.names[name] = place->second;
        if (!is_new) continue;
        auto file = read_file_of(tree, attributes, name);
        if (!file)
            return Error(file.error().code(),
                         fmt::format("file {}: {}", name, file.error().message()));
        observed.files.push_back(*std::move(file));
    }
    return observed;
}

Observed observe(const SimDisk& image, std::uint64_t seed) {
    SeededRandom random(seed);
    ManualClock clock;
    Observed observed;
    const auto failed = [&](std::string_view what, const Error& error) {
        observed.problems.push_back(fmt::format("{}: {}", what, error.message()));
        return observed;
    };
    auto disk = image.kill();
    std::unique_ptr<SimDisk> left;
    {
        auto volume = open_volume(*disk, random, clock);
        if (!volume) return failed("it does not open", volume.error());
        auto read = read_tree((*volume)->tree());
        if (!read) return failed("it does not read", read.error());
        observed = *std::move(read);
        left = disk->kill();
    }
    const Walk first = walk_store(*left->kill(), random);
    add_all(observed.problems, first.problems, "after the first start");
    {
        auto volume = open_volume(*left, random, clock);
        if (!volume) return failed("it does not open again", volume.error());
        for (const auto& line : (*volume)->open_report())
            observed.problems.push_back("the second start reports: " + line);
        // Equal rows over packs that nobody writes are an equal tree.
        const Walk second = walk_store(*left->kill(), random);
        if (second.rows != first.rows)
            observed.problems.push_back("the second start changed rows:\n" + first.rows +
                                        "\ninto\n" + second.rows);
        if (auto closed = (*volume)->close(); !closed)
            return failed("it does not stop", closed.error());
    }
    if (seed % 8 == 0)
        add_all(observed.problems, walk_store(*left, random).problems, "after a clean stop");
    return observed;
}

std::string difference(const Observed& observed, const TreeState& state) {
    std::map<std::size_t, int> paired;
    for (const auto& [name, index] : observed.names) {
        auto expected = state.names.find(name);
        if (expected == state.names.end()) return fmt::format("{} should not be there", name);
        auto [pair, is_new] = paired.emplace(index, expected->second);
        if (!is_new) {
            if (pair->second != expected->second)
                return fmt::format("{} is a link to another file", name);
            continue;
        }
        const FileState& file = state.files.at(expected->second);
        const Observed::File& found = observed.files[index];
        if (found.links != static_cast<std::uint32_t>(state.links(expected->second)))
            return fmt::format("{} has {} links", name, found.links);
        if (found.size > file.bytes.size())
            return fmt::format("{} has {} bytes, which is more than {}", name, found.size,
                               file.bytes.size());
        if (found.size < file.floor)
            return fmt::format("{} has {} bytes, which is less than {}", name, found.size,
                               file.floor);
        if (found.hash != hash_of(Bytes(file.bytes).first(found.size)))
            return fmt::format("{} has other bytes ({} of them)", name, found.size);
        if (found.modified_ns != file.modified_ns)
            return fmt::format("{} was modified at {}, not {}", name, found.modified_ns,
                               file.modified_ns);
    }
    for (const auto& [name, file] : state.names)
        if (!observed.names.contains(name)) return fmt::format("{} is missing", name);
    return "";
}

}  // namespace reelfs::test
