/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/http_corpus.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"

#define H " HTTP/1.1\r\nHost: h\r\n"
#define POST "POST /p" H
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

/* --- a table of what can be said in one line ------------------------------ */

/* BYTES is a literal, NUL included. */
#define CASE(BYTES, ...) {.bytes = STR(BYTES), __VA_ARGS__}
#define GOOD(BYTES, SEEN) CASE(BYTES, .want = "200", .seen = (SEEN))
#define BAD(BYTES) CASE(BYTES, .want = "400.", .seen = "")
/* So far from HTTP that an answer is not owed. */
#define LOST(BYTES) CASE(BYTES, .want = "400|..", .seen = "")

static const struct http_case cases[] = {
    /* plain ones */
    GOOD("GET /" H "\r\n", "GET / ;"),
    GOOD("GET /a?b=c" H "\r\n", "GET /a ;"),
    GOOD(POST "Content-Length: 5\r\n\r\nhello", "POST /p hello;"),
    GOOD(POST "Content-Length: 0\r\n\r\n", "POST /p ;"),
    GOOD(POST "content-length:5\r\n\r\nhello", "POST /p hello;"),
    GOOD(POST "Content-Length: \t 5 \t \r\n\r\nhello", "POST /p hello;"),
    GOOD(POST "Content-Length: 0000000005\r\n\r\nhello", "POST /p hello;"),
    GOOD(CHUNKED "5\r\nhello\r\n0\r\n\r\n", "POST /p hello;"),
    GOOD(CHUNKED "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "POST /p hello;"),
    GOOD(CHUNKED "0\r\n\r\n", "POST /p ;"),
    GOOD(CHUNKED "00000\r\n\r\n", "POST /p ;"),
    GOOD(CHUNKED "0005\r\nhello\r\n0\r\n\r\n", "POST /p hello;"),
    GOOD(CHUNKED "A\r\n0123456789\r\n0\r\n\r\n", "POST /p 0123456789;"),
    GOOD(CHUNKED "a\r\n0123456789\r\n0\r\n\r\n", "POST /p 0123456789;"),
    GOOD(CHUNKED "5\r\nhello\r\n0\r\nX: y\r\n\r\n", "POST /p hello;"),
    GOOD(CHUNKED "5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
         "POST /p hello;"),
    GOOD(CHUNKED "5\r\nhello\r\n0\r\nTransfer-Encoding: x\r\nHost: z\r\n\r\n",
         "POST /p hello;"),
    GOOD(POST "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
         "POST /p hello;"),
    GOOD(POST "Transfer-Encoding:\tchunked \r\n\r\n0\r\n\r\n", "POST /p ;"),
    GOOD("PUT /x" H "Content-Length: 1\r\n\r\ny", "PUT /x y;"),
    GOOD("DELETE /x" H "\r\n", "DELETE /x ;"),
    GOOD("GET /" H "X:\r\n\r\n", "GET / ;"),
    GOOD("GET /" H "X: \x80\xff\r\n\r\n", "GET / ;"), /* obs-text */
    GOOD("GET /" H "X: a\tb\r\n\r\n", "GET / ;"),
    GOOD("GET /" H "X: :\r\n\r\n", "GET / ;"),
    GOOD("GET /" H "X: a\r\nX: b\r\n\r\n", "GET / ;"),
    GOOD("GET /" H "Cookie: \x01;;=;a=\"\r\n\r\n", "GET / ;"),
    GOOD("\r\nGET /" H "\r\n", "GET / ;"), /* RFC 9112, 2.2 */
    CASE("GET /" H "\r\n\r\nGET /b" H "\r\n", .want = "200 200",
         .seen = "GET / ;GET /b ;"),

    /* several at once */
    CASE("GET /1" H "\r\nGET /2" H "\r\nGET /3" H "\r\n", .want = "200 200 200",
         .seen = "GET /1 ;GET /2 ;GET /3 ;"),
    CASE(POST "Content-Length: 2\r\n\r\nhiGET /2" H "\r\n", .want = "200 200",
         .seen = "POST /p hi;GET /2 ;"),
    CASE(CHUNKED "2\r\nhi\r\n0\r\n\r\nGET /2" H "\r\n", .want = "200 200",
         .seen = "POST /p hi;GET /2 ;"),
    CASE(POST "Content-Length: 22\r\n\r\nGET /x HTTP/1.1\r\nHo: z"
              "GET /2" H "\r\n",
         .want = "200 200",
         .seen = "POST /p GET /x HTTP/1.1\r\nHo: z;GET /2 ;"),
    CASE("GET /" H "Content-Length: 2\r\n\r\nhiGET /2" H "\r\n",
         .want = "413 200", .seen = "GET /2 ;"),
    CASE("POST /later" H "Content-Length: 2\r\n\r\nhiGET /2" H "\r\n",
         .want = "200 200", .seen = "POST /later hi;GET /2 ;"),
    CASE("POST /later" H "Content-Length: 2\r\n\r\nhi"
         "POST /later" H "Content-Length: 2\r\n\r\nhoGET /2" H "\r\n",
         .want = "200 200 200",
         .seen = "POST /later hi;POST /later ho;GET /2 ;"),
    CASE("GET /1" H "\r\ngarbage\r\n\r\n", .want = "200 400|..",
         .seen = "GET /1 ;"),
    CASE(POST "Content-Length: 2\r\n\r\nhi there: you" H "\r\n",
         .want = "200 400|..", .seen = "POST /p hi;"),
    CASE("GET /1" H "Connection: close\r\n\r\nGET /2" H "\r\n", .want = "200.",
         .seen = "GET /1 ;"),
    CASE("GET /1" H "Connection: CLOSE, x\r\n\r\nGET /2" H "\r\n",
         .want = "200.", .seen = "GET /1 ;"),

    /* two lengths: CL and TE (RFC 9112, 6.1, 6.3) */
    BAD(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
             "0\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
             "0\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"
             "0\r\n\r\n"),
    BAD(POST "Content-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n"
             "0\r\n\r\nGET /smuggled" H "\r\n"),
    BAD(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    BAD(POST "Content-Length: 6\r\nContent-Length: 5\r\n\r\nhello!"),
    BAD(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    BAD(POST "Content-Length: 0\r\nContent-Length: 44\r\n\r\n"
             "GET /smuggled" H "\r\n"),
    BAD(POST "Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello"),
    BAD(POST "Content-Length: 5, 5\r\n\r\nhello"),
    BAD(POST "Content-Length: 5,6\r\n\r\nhello!"),
    BAD(POST "Content-Length: 5 5\r\n\r\nhello"),
    BAD(POST "Content-Length:\r\n\r\nhello"),
    BAD(POST "Content-Length: +5\r\n\r\nhello"),
    BAD(POST "Content-Length: -5\r\n\r\nhello"),
    BAD(POST "Content-Length: -0\r\n\r\n"),
    BAD(POST "Content-Length: 0x5\r\n\r\nhello"),
    BAD(POST "Content-Length: 5.0\r\n\r\nhello"),
    BAD(POST "Content-Length: 5e0\r\n\r\nhello"),
    BAD(POST "Content-Length: five\r\n\r\nhello"),
    BAD(POST "Content-Length: 5;\r\n\r\nhello"),
    BAD(POST "Content-Length: \"5\"\r\n\r\nhello"),
    BAD(POST "Content-Length: 5\x0b\r\n\r\nhello"),
    BAD(POST "Content-Length: \xd9\xa5\r\n\r\nhello"), /* Arabic 5 */
    CASE(POST "Content-Length: 18446744073709551615\r\n\r\n", .want = "413.",
         .seen = ""),
    CASE(POST "Content-Length: 18446744073709551616\r\n\r\n", .want = "413.",
         .seen = ""),
    CASE(POST "Content-Length: 18446744073709551621\r\n\r\nhello",
         .want = "413.", .seen = ""),
    CASE(POST "Content-Length: 9223372036854775808\r\n\r\n", .want = "413.",
         .seen = ""),
    CASE(POST "Content-Length: 99999999999999999999999999999999\r\n\r\n",
         .want = "413.", .seen = ""),
    CASE(POST "\r\n", .want = "411", .seen = ""),

#define CHUNKS(BYTES) CASE(CHUNKED BYTES, .want = "400.", .seen = "")
    /* codings (RFC 9112, 6.1; 501 is for those unknown) */
    BAD(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"
             "0\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"
             "\r\n0\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n"
             "0\r\n\r\n"),
#define CODING(VALUE)                                         \
    CASE(POST "Transfer-Encoding:" VALUE "\r\n\r\n0\r\n\r\n", \
         .want = "400|501.", .seen = "")
    CODING(" chunked, chunked"),
    CODING(" chunked,"),
    CODING(" ,chunked"),
    CODING(" gzip"),
    CODING(" gzip, chunked"),
    CODING(" chunked, gzip"),
    CODING(" identity"),
    CODING(" identity, chunked"),
    CODING(" chunked, identity"),
    CODING(" xchunked"),
    CODING(" chunkedx"),
    CODING(" x chunked"),
    CODING(" chunked;q=1"),
    CODING(" \"chunked\""),
    CODING(" 'chunked'"),
    CODING(" chunked\x0b"),
    CODING("\x0b"
           "chunked"),
    CODING("\x0c"
           "chunked"),
    CODING(" chunked\x1f"),
    CODING(" chunked\x7f"),
    CODING("\xc2\xa0"
           "chunked"),
    CODING(""),
    CODING(" "),
    CASE("POST /p" H "Transfer-Encoding: cow\r\nContent-Length: 5\r\n\r\nhello",
         .want = "400|501.", .seen = ""),
    BAD(POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
    BAD(POST "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n"),
    BAD(POST " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    BAD(POST
        "X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"),
    BAD(POST "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    BAD(POST "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    BAD(POST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
    BAD(POST "Transfer-Encoding: chunk\r\n ed\r\n\r\n0\r\n\r\n"),
    BAD(POST "Transfer\x0b-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"),
    BAD(POST "Transfer-Encoding\x0b: chunked\r\nContent-Length: 0\r\n\r\n"),
    BAD(POST "Transfer-Encoding\xa0: chunked\r\nContent-Length: 0\r\n\r\n"),
    /* a name like another, but another */
    GOOD(POST "Transfer_Encoding: chunked\r\nContent-Length: 1\r\n\r\nx",
         "POST /p x;"),
    GOOD(POST "Content_Length: 9\r\nContent-Length: 1\r\n\r\nx", "POST /p x;"),
    GOOD(POST "X-Content-Length: 9\r\nContent-Length: 1\r\n\r\nx",
         "POST /p x;"),

/* extensions mean nothing (RFC 9112, 7.1.1) */
#define EXTENDED(BYTES)                                          \
    CASE(CHUNKED BYTES, .want = "200", .seen = "POST /p hello;", \
         .deviates = "400.") /* the library takes the line's LF for data */
    EXTENDED("5;a\r\nhello\r\n0\r\n\r\n"),
    EXTENDED("5;a=b\r\nhello\r\n0\r\n\r\n"),
    EXTENDED("5;a=\"b;c\"\r\nhello\r\n0;d=e\r\n\r\n"),
    EXTENDED("5\r\nhello\r\n0;a=b\r\n\r\n"),
    EXTENDED("5 ;a=b\r\nhello\r\n0\r\n\r\n"),
    /* the same, so that what an extension shifts would fit */
    EXTENDED("5;a\r\nhell\r\n\r\n0\r\n\r\n"),
    EXTENDED("6;a\r\nhello\r\n\r\n0\r\n\r\n"),
    CHUNKS("5;a\nhello\r\n0\r\n\r\n"),
    CHUNKS("5;a\rhello\r\n0\r\n\r\n"),
    CHUNKS("5;a\r\rhello\r\n0\r\n\r\n"),

    /* broken chunks (RFC 9112, 7.1) */
    CHUNKS("x\r\nhello\r\n0\r\n\r\n"),
    CHUNKS("-5\r\nhello\r\n0\r\n\r\n"),
    CHUNKS("+5\r\nhello\r\n0\r\n\r\n"),
    CHUNKS("0x5\r\nhello\r\n0\r\n\r\n"),
    CHUNKS(" 5\r\nhello\r\n0\r\n\r\n"),
    CHUNKS("\r\n5\r\nhello\r\n0\r\n\r\n"),
    CHUNKS("\n5\r\nhello\r\n0\r\n\r\n"),
    CHUNKS("5\nhello\r\n0\r\n\r\n"),
    CHUNKS("5\r\nhello\n0\r\n\r\n"),
    CHUNKS("5\r\nhello0\r\n\r\n"),
    CHUNKS("5\r\nhello!\r\n0\r\n\r\n"),
    CHUNKS("5\r\nhell\r\n0\r\n\r\n"),
    CHUNKS("5\rhello\r\n0\r\n\r\n"),
    CHUNKS("5\r\rhello\r\n0\r\n\r\n"),
    CHUNKS("5,5\r\nhello\r\n0\r\n\r\n"),
    CHUNKS("5g\r\nhello\r\n0\r\n\r\n"),
    CHUNKS("5\0\r\nhello\r\n0\r\n\r\n"),
    CHUNKS("\0"
           "5\r\nhello\r\n0\r\n\r\n"),
    CHUNKS("5\r\nhello\r\n0\n\n"),
    CHUNKS("5\r\nhello\r\n0\r\n\n"),
    CHUNKS("5\r\nhello\r\n0\r\nX\r\n\r\n"),
    CHUNKS("5\r\nhello\r\n0\r\nX : y\r\n\r\n"),
    CHUNKS("5\r\nhello\r\n0\r\n: y\r\n\r\n"),
    CHUNKS("5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n"),
    CHUNKS("5\r\nhello\r\n0\r\nX: y\n\r\n"),
    CHUNKS("5\r\nhello\r\n0\r\nX: \0\r\n\r\n"),
    CHUNKS("5\r\nhello\r\n0\r\nGET /smuggled" H "\r\n"),
#define HUGE_CHUNK(SIZE)                                            \
    CASE(CHUNKED SIZE "\r\nhello\r\n0\r\n\r\n", .want = "400|413.", \
         .seen = "", .ends = true)
    HUGE_CHUNK("10000000000000005"),
    HUGE_CHUNK("ffffffffffffffffff"),
    HUGE_CHUNK("123456789abcdef01"),

    /* lines and names (RFC 9112, 2.2 and 5) */
    BAD("GET / HTTP/1.1\nHost: h\n\n"),
    BAD("GET / HTTP/1.1\r\nHost: h\n\r\n"),
    BAD("GET / HTTP/1.1\nHost: h\r\n\r\n"),
    BAD("GET /" H "\n"),
    BAD("GET /" H "X: y\rz\r\n\r\n"),
    BAD("GET /" H "X: y\r\r\n\r\n"),
    BAD("GET /" H "X: y\0z\r\n\r\n"),
    BAD("GET /" H "X\0: y\r\n\r\n"),
    BAD("GET /" H "\0: y\r\n\r\n"),
    BAD("GET /" H "X: y\r\n z\r\n\r\n"),
    BAD("GET /" H "X: y\r\n\tz\r\n\r\n"),
    BAD("GET /" H "X: y\r\n \r\n\r\n"),
    BAD("GET / HTTP/1.1\r\n Host: h\r\n\r\n"),
    BAD("GET / HTTP/1.1\r\n\tX: y\r\nHost: h\r\n\r\n"),
    BAD("GET /" H ": y\r\n\r\n"),
    BAD("GET /" H "X\r\n\r\n"),
    BAD("GET /" H "X y\r\n\r\n"),
    BAD("GET /" H "X Y: z\r\n\r\n"),
    BAD("GET /" H "X : y\r\n\r\n"),
    BAD("GET /" H "X\t: y\r\n\r\n"),

    /* Host (RFC 9112, 3.2) */
    BAD("GET / HTTP/1.1\r\n\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"),
    BAD("GET / HTTP/1.1\r\nHost: h\r\nhost: i\r\n\r\n"),
    BAD("GET / HTTP/1.0\r\nHost: h\r\nHost: i\r\n\r\n"),
#define HOST(VALUE) "GET / HTTP/1.1\r\nHost:" VALUE "\r\n\r\n"
    BAD(HOST(" a b")),
    BAD(HOST(" a/b")),
    BAD(HOST(" a@b")),
    BAD(HOST(" a?b")),
    BAD(HOST(" a#b")),
    BAD(HOST(" a\\b")),
    BAD(HOST(" http://h/")),
    BAD(HOST(" h:80:80")),
    BAD(HOST(" h:x")),
    BAD(HOST(" h:-1")),
    BAD(HOST(" :80")),
    BAD(HOST(" [::1")),
    BAD(HOST(" ::1")),
    BAD(HOST(" []")),
    BAD(HOST(" [::1]x")),
    BAD(HOST(" [::1]:x")),
    BAD(HOST(" [:/:]")),
    BAD(HOST(" h\x7f")),
    BAD(HOST(" h\x01")),
    BAD(HOST(" h\x80")),
    GOOD(HOST(""), "GET / ;"),
    GOOD(HOST(" h:80"), "GET / ;"),
    GOOD(HOST(" h:"), "GET / ;"),
    GOOD(HOST(" h.example.org"), "GET / ;"),
    GOOD(HOST(" 127.0.0.1:8080"), "GET / ;"),
    GOOD(HOST(" [::1]:8080"), "GET / ;"),
    GOOD(HOST(" [fe80::1%25eth0]"), "GET / ;"),
    GOOD(HOST(" a_b-c~d"), "GET / ;"),

/* targets (RFC 9112, 3.2) */
#define TARGET(BYTES) BYTES H "\r\n"
    GOOD(TARGET("GET http://h/a"), "GET /a ;"),
    GOOD(TARGET("GET HTTP://h:80/a?b"), "GET /a ;"),
    GOOD(TARGET("GET https://other/a"), "GET /a ;"),
    GOOD(TARGET("GET http://h"), "GET / ;"),
    CASE(TARGET("OPTIONS *"), .want = "204", .seen = ""),
    CASE(TARGET("OPTIONS /p"), .want = "204", .seen = ""),
    CASE(TARGET("GET *"), .want = "400", .seen = ""),
    CASE(TARGET("GET a"), .want = "400", .seen = ""),
    CASE(TARGET("GET h:80"), .want = "400", .seen = ""),
    CASE(TARGET("GET ftp://h/a"), .want = "400", .seen = ""),
    CASE(TARGET("GET http:///a"), .want = "400", .seen = ""),
    CASE(TARGET("GET http://"), .want = "400", .seen = ""),
    CASE(TARGET("GET ?a"), .want = "400", .seen = ""),
    CASE(TARGET("GET /a#b"), .want = "400", .seen = ""),
    CASE(TARGET("GET /%"), .want = "400", .seen = ""),
    CASE(TARGET("GET /%0"), .want = "400", .seen = ""),
    CASE(TARGET("GET /%gg"), .want = "400", .seen = ""),
    CASE(TARGET("GET /%00"), .want = "400", .seen = ""),
    CASE(TARGET("GET /%ff"), .want = "400", .seen = ""),
    CASE(TARGET("GET /%0d%0aX:y"), .want = "200", .seen = "GET /\r\nX:y ;"),
    CASE(TARGET("CONNECT h:80"), .want = "501", .seen = ""),
    CASE(TARGET("CONNECT /"), .want = "501", .seen = ""),
    BAD(TARGET("GET /a b")),
    BAD(TARGET("GET  /")),
    BAD(TARGET("GET / ")),
    LOST(TARGET("GET\t/")),
    BAD("GET /\tHTTP/1.1\r\nHost: h\r\n\r\n"),
    LOST("GET /\x0bHTTP/1.1\r\nHost: h\r\n\r\n"),
    BAD("GET /\rHTTP/1.1\r\nHost: h\r\n\r\n"),
    LOST("GET /\0 HTTP/1.1\r\nHost: h\r\n\r\n"),
    BAD("GET /\r\nHost: h\r\n\r\n"), /* HTTP/0.9 */
    LOST("GET\r\nHost: h\r\n\r\n"),
    BAD("GET HTTP/1.1\r\nHost: h\r\n\r\n"),

    /* methods (RFC 9110, 9.1): case matters; 501 for the unknown */
    CASE(TARGET("get /"), .want = "501", .seen = ""),
    CASE(TARGET("Get /"), .want = "501", .seen = ""),
    CASE(TARGET("BREW /"), .want = "501", .seen = ""),
    CASE(TARGET("TRACE /"), .want = "405", .seen = ""),
    CASE(TARGET("PRI *"), .want = "501", .seen = ""),
    CASE(TARGET("M-SEARCH *"), .want = "501", .seen = ""),
    CASE(TARGET("!#$%&'*+-.^_`|~ /"), .want = "501", .seen = ""),
    CASE(TARGET("PATCH /"), .want = "405", .seen = ""),
    CASE(TARGET("GET/ /"), .want = "400|501.", .seen = ""),
    LOST(TARGET(" GET /")),
    LOST(TARGET("\tGET /")),

/* versions (RFC 9112, 2.3; 505 for another major one) */
#define VERSION(TEXT) "GET / " TEXT "\r\nHost: h\r\n\r\n"
    CASE(VERSION("HTTP/1.0"), .want = "200.", .seen = "GET / ;"),
    CASE("GET / HTTP/1.0\r\n\r\n", .want = "200.", .seen = "GET / ;"),
    CASE("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", .want = "200",
         .seen = "GET / ;"),
    CASE("POST /p HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi", .want = "200.",
         .seen = "POST /p hi;"),
    BAD("POST /p HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    CASE(VERSION("HTTP/1.2"), .want = "200", .seen = "GET / ;"),
    CASE(VERSION("HTTP/2.0"), .want = "505.", .seen = ""),
    CASE(VERSION("HTTP/3.0"), .want = "505.", .seen = ""),
    CASE(VERSION("HTTP/0.9"), .want = "400|505.", .seen = ""),
    CASE(VERSION("HTTP/9.9"), .want = "505.", .seen = ""),
    CASE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .want = "400|505|..",
         .seen = ""), /* HTTP/2's preface */
    BAD(VERSION("HTTP/1")),
    BAD(VERSION("HTTP/1.")),
    BAD(VERSION("HTTP/1.1.1")),
    BAD(VERSION("HTTP/1.10")),
    BAD(VERSION("HTTP/01.1")),
    BAD(VERSION("HTTP/+1.1")),
    BAD(VERSION("HTTP /1.1")),
    BAD(VERSION("http/1.1")),
    BAD(VERSION("HTTP\\1.1")),
    BAD(VERSION("HTTPS/1.1")),
    BAD(VERSION("HTTP/1,1")),
    BAD(VERSION("HTTP/a.b")),
    BAD(VERSION("HTTP/1.1x")),
    BAD(VERSION("HTTP/1.1 x")),
    BAD(VERSION("HTTP/1.1\t")),
    BAD(VERSION("ICY/1.1")),

    /* expectations (RFC 9110, 10.1.1) */
    CASE(POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
         .want = "200", .seen = "POST /p hi;"),
    CASE("POST /p HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n"
         "\r\nhi",
         .want = "200.", .seen = "POST /p hi;"),
    CASE("GET /" H "Expect: 100-continue\r\n\r\n", .want = "200",
         .seen = "GET / ;"),

    /* no HTTP at all */
    CASE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
         .want = "400|..", .seen = ""), /* TLS */
    CASE("SSH-2.0-OpenSSH_9.2\r\n\r\n", .want = "400|..", .seen = ""),
    CASE("\0\0\0\0\r\n\r\n", .want = "400|..", .seen = ""),
    CASE("{\"name\":\"x\"}\r\n\r\n", .want = "400|..", .seen = ""),
    CASE("HTTP/1.1 200 OK\r\n\r\n", .want = "400|..", .seen = ""),

/* the client goes in the middle */
#define CUT(BYTES) CASE(BYTES, .want = ".", .seen = "", .ends = true)
    CUT(""),
    CUT("G"),
    CUT("GET / HTTP/1.1\r\n"),
    CUT("GET /" H),
    CUT(POST "Content-Length: 5\r\n\r\nhell"),
    CUT(CHUNKED "5\r\nhello\r\n"),
    CUT(CHUNKED "5\r\nhello\r\n0\r\nX: y\r\n"),
};

/* --- the same thing many times -------------------------------------------- */

struct sink {
    http_case_fn *fn;
    void *arg;
};

static void put(const struct sink *s, const char *name, const struct buf *bytes,
                const char *want, const char *seen)
{
    const struct http_case c = {
        .name = name, .bytes = buf_str(bytes), .want = want, .seen = seen};
    s->fn(&c, s->arg);
}

static bool is_token(int c)
{
    return c > ' ' && c < 0x7f && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
}

/* Every byte where a name, a method, a value, a target may have some. */
static void each_byte(const struct sink *s)
{
    for (int c = 0; c < 256; c++) {
        AUTO_RELEASE(buf) text = {0};
        char at = (char)c;
        if (c != ':') {
            buf_add_text(&text, "GET /" H "X");
            buf_add(&text, &at, 1);
            buf_add_text(&text, "Y: z\r\n\r\n");
            put(s, "a byte in a name", &text, is_token(c) ? "200" : "400.",
                is_token(c) ? "GET / ;" : "");
            buf_reset(&text);
        }
        bool broken = c == 0 || c == '\r' || c == '\n';
        buf_add_text(&text, "GET /" H "X: y");
        buf_add(&text, &at, 1);
        buf_add_text(&text, "z\r\n\r\n");
        put(s, "a byte in a value", &text, broken ? "400." : "200",
            broken ? "" : "GET / ;");
        buf_reset(&text);
        buf_add_text(&text, "GE");
        buf_add(&text, &at, 1);
        buf_add_text(&text, "T /" H "\r\n");
        put(s, "a byte in a method", &text, is_token(c) ? "501" : "400|..", "");
    }
}

static void long_ones(const struct sink *s)
{
    static const size_t sizes[] = {9000, 17000, 70000, 1 << 20};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        AUTO_RELEASE(buf) text = {0}, many = {0};
        size_t n = sizes[i];
        char *x = xmalloc(n);
        memset(x, 'x', n);
        buf_add_text(&text, "GET /");
        buf_add(&text, x, n);
        buf_add_text(&text, H "\r\n");
        put(s, "a long target", &text, "414|431.", "");
        buf_reset(&text);
        buf_add(&text, x, n);
        buf_add_text(&text, " /" H "\r\n");
        put(s, "a long method", &text, "400|414|431|501|..", "");
        buf_reset(&text);
        buf_add_text(&text, "GET /" H "X: ");
        buf_add(&text, x, n);
        buf_add_text(&text, "\r\n\r\n");
        put(s, "a long value", &text, "431.", "");
        buf_reset(&text);
        buf_add_text(&text, "GET /" H);
        buf_add(&text, x, n);
        buf_add_text(&text, ": y\r\n\r\n");
        put(s, "a long name", &text, "431.", "");
        buf_add_text(&many, "GET /" H);
        for (size_t j = 0; j < n / 6; j++)
            buf_addf(&many, "X%zu: y\r\n", j);
        buf_add_text(&many, "\r\n");
        put(s, "many headers", &many, "431.", "");
        free(x);
    }
}

/* The library forgets such a request, or waits for ever: without an answer,
 * or at the deadline at the latest, it ends. */
static void long_extension(const struct sink *s)
{
    for (int n = 6000; n < 20000; n += 2500) {
        AUTO_RELEASE(buf) text = {0};
        buf_addf(&text, CHUNKED "5\r\nhello\r\n5;%0*d\r\nhello\r\n0\r\n\r\n", n,
                 0);
        put(s, "a long chunk extension", &text, "400|408|413|431|..", "");
    }
}

static void split_everywhere(const struct sink *s)
{
    static const struct http_case whole[] = {
        GOOD("GET /a?b=c" H "X: y\r\n\r\n", "GET /a ;"),
        GOOD(POST "Content-Length: 5\r\nX: y\r\n\r\nhello", "POST /p hello;"),
        GOOD(CHUNKED "2\r\nhe\r\n3\r\nllo\r\n0\r\nT: u\r\n\r\n",
             "POST /p hello;"),
        GOOD("\r\nGET /" H "\r\n", "GET / ;"),
        CASE(POST "Content-Length: 2\r\n\r\nhiGET /2" H "\r\n",
             .want = "200 200", .seen = "POST /p hi;GET /2 ;"),
        BAD(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
                 "0\r\n\r\nGET /smuggled" H "\r\n"),
        BAD(POST "Content-Length: 0\r\nContent-Length: 44\r\n\r\n"
                 "GET /smuggled" H "\r\n"),
        CHUNKS("5\r\nhello\r\n0\r\nX: y\r\n z\r\n\r\n"),
        BAD("GET /" H "X: y\r\n z\r\n\r\nGET /smuggled" H "\r\n"),
    };
    for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
        struct http_case c = whole[i];
        for (c.split = 1; c.split < c.bytes.n; c.split++)
            s->fn(&c, s->arg);
        c.split = 0;
        c.drip = true;
        s->fn(&c, s->arg);
    }
}

void http_corpus_each(http_case_fn *fn, void *arg)
{
    const struct sink s = {fn, arg};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        fn(&cases[i], arg);
    each_byte(&s);
    long_ones(&s);
    long_extension(&s);
    split_everywhere(&s);
}
