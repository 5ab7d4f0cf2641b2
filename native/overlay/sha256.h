/* SHA-256 (FIPS 180-4) of bytes at hand: a few of them are hashed before OpenSSL would be loaded. */
#pragma once

#include <stddef.h>

void sha256_hex(const void *data, size_t len, char hex[65]);
