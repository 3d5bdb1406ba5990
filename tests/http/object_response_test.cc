// The plan of a response, without a socket: what differs between a file that grows, one that has
// just finished, and one that has been finished for long.
#include "http/object_response.h"

#include <gtest/gtest.h>

#include <tuple>

namespace reelfs::http {
namespace {

constexpr Timestamp kNow = Timestamp::from_seconds(784'200'000);
const ObjectFacts kFinished{.name = "a.ts",
                            .mime_type = "",
                            .cache_control = "",
                            .etag = "abc",
                            .modified = Timestamp::from_seconds(784'111'777),
                            .size = 10,
                            .growing = false};

Response respond(const ObjectFacts& object, std::string_view range, bool signed_by_header = false) {
    RequestHead head;
    head.method = "GET";
    if (signed_by_header) head.fields.push_back({"Authorization", "AWS4-HMAC-SHA256 ..."});
    if (!range.empty()) head.fields.push_back({"Range", range});
    return respond_with_object(head, object, kNow);
}

TEST(ObjectResponse, TheLengthOfAMultipartBodyIsThatOfItsPieces) {
    const Response response = respond(kFinished, "bytes=0-1,5-6");
    EXPECT_EQ(response.status, 206);
    ASSERT_EQ(response.parts.size(), 2u);
    std::size_t text = response.after.size();
    for (const BodyPart& part : response.parts) text += part.before.size();
    EXPECT_EQ(response.content_length(), text + 4);
    EXPECT_NE(response.fields.find("boundary=reelfs-abc"), std::string::npos);
}

TEST(ObjectResponse, AFileThatFinishedSinceItWasOpenedHasNoTagAndNoMultipart) {
    ObjectFacts object = kFinished;
    object.etag = "";
    const Response several = respond(object, "bytes=0-1,5-6");
    EXPECT_EQ(several.status, 200);
    EXPECT_EQ(several.content_length(), 10u);
    EXPECT_EQ(several.fields.find("ETag"), std::string::npos);
    EXPECT_EQ(respond(object, "bytes=0-1").status, 206);
}

TEST(ObjectResponse, ADeliveryRuleFixesTheFormOfTheTagInBothDialects) {
    for (const auto& [form, to_others, to_signed] :
         {std::tuple(EtagForm::kByDialect, "ETag: \"abc\"\r\n", "ETag: abc\r\n"),
          std::tuple(EtagForm::kQuoted, "ETag: \"abc\"\r\n", "ETag: \"abc\"\r\n"),
          std::tuple(EtagForm::kBare, "ETag: abc\r\n", "ETag: abc\r\n")}) {
        ObjectFacts object = kFinished;
        object.name = "a.m3u8";
        object.delivery.etag = form;
        for (const bool by_header : {false, true}) {
            const std::string fields = respond(object, "", by_header).fields;
            EXPECT_NE(fields.find(by_header ? to_signed : to_others), std::string::npos) << fields;
            // Nothing else of a dialect follows the form.
            EXPECT_EQ(fields.find("Cache-Control") == std::string::npos, by_header) << fields;
        }
    }
}

TEST(ObjectResponse, LastModifiedIsNeverInTheFuture) {
    ObjectFacts object = kFinished;
    object.modified = Timestamp::from_seconds(kNow.seconds() + 1'000'000);
    EXPECT_NE(respond(object, "").fields.find("Last-Modified: Mon, 07 Nov 1994 09:20:00 GMT"),
              std::string::npos)
        << respond(object, "").fields;
}

TEST(ObjectResponse, AGrowingFileHasNoTagNoLengthAndA416WithoutALength) {
    ObjectFacts object = kFinished;
    object.etag = "";
    object.growing = true;
    const Response whole = respond(object, "");
    EXPECT_FALSE(whole.has_length);
    EXPECT_EQ(whole.follow_from, 0u);
    EXPECT_TRUE(is_chunked(whole, 1));
    EXPECT_FALSE(is_chunked(whole, 0));
    const Response beyond = respond(object, "bytes=10-");
    EXPECT_EQ(beyond.status, 416);
    EXPECT_EQ(beyond.fields.find("Content-Range"), std::string::npos);
}

}  // namespace
}  // namespace reelfs::http
