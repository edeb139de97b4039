// SHA-256, plain: what a hash function does with memory, rotations and sums (FIPS 180-4).
typedef unsigned char u8;
typedef unsigned int u32;

static const u32 rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
static u32 state[8];
static u32 schedule[64];
static u8 message[(1 << 20) + 128];

static u32 rotated(u32 value, int by) { return value >> by | value << (32 - by); }

static void block(const u8 *at) {
  for (int n = 0; n < 16; n++)
    schedule[n] = (u32)at[4 * n] << 24 | (u32)at[4 * n + 1] << 16 | (u32)at[4 * n + 2] << 8 | at[4 * n + 3];
  for (int n = 16; n < 64; n++) {
    u32 early = schedule[n - 15], late = schedule[n - 2];
    u32 s0 = rotated(early, 7) ^ rotated(early, 18) ^ early >> 3;
    u32 s1 = rotated(late, 17) ^ rotated(late, 19) ^ late >> 10;
    schedule[n] = schedule[n - 16] + s0 + schedule[n - 7] + s1;
  }
  u32 a = state[0], b = state[1], c = state[2], d = state[3];
  u32 e = state[4], f = state[5], g = state[6], h = state[7];
  for (int n = 0; n < 64; n++) {
    u32 s1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
    u32 t1 = h + s1 + ((e & f) ^ (~e & g)) + rounds[n] + schedule[n];
    u32 s0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
    u32 t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  state[0] += a, state[1] += b, state[2] += c, state[3] += d;
  state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

// Of so many bytes, at most 1 MiB, each the lowest of its index; the first word of the digest.
__attribute__((export_name("sha256"))) u32 sha256(u32 length) {
  static const u32 start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  if (length > 1 << 20) __builtin_trap();
  for (int n = 0; n < 8; n++) state[n] = start[n];
  for (u32 n = 0; n < length; n++) message[n] = (u8)n;
  u32 end = (length + 9 + 63) & ~63u;
  for (u32 n = length; n < end; n++) message[n] = 0;
  message[length] = 0x80;
  for (int n = 0; n < 4; n++) message[end - 1 - n] = (u8)(length * 8 >> 8 * n);
  for (u32 at = 0; at < end; at += 64) block(message + at);
  return state[0];
}

// A word of the digest that was computed last.
__attribute__((export_name("word"))) u32 word(u32 number) { return state[number & 7]; }
