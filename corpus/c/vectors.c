// What programs use vectors for: sums of products, images, and searching bytes.
typedef unsigned char u8;
typedef unsigned int u32;
typedef float f32x4 __attribute__((vector_size(16)));
typedef u8 u8x16 __attribute__((vector_size(16)));
typedef u32 u32x4 __attribute__((vector_size(16)));

#define COUNT 4096
static f32x4 left[COUNT / 4], right[COUNT / 4];
static u8x16 pixels[COUNT / 16], others[COUNT / 16];

// The sum of products of numbers, so many times over.
__attribute__((export_name("dot"))) float dot(u32 times) {
  for (u32 n = 0; n < COUNT / 4; n++) {
    float at = (float)(int)n;
    left[n] = (f32x4){at, at + 1, at + 2, at + 3} * 0.125f;
    right[n] = (f32x4){1, 2, 3, 4} - left[n] * 0.5f;
  }
  f32x4 sum = {0, 0, 0, 0};
  while (times--)
    for (u32 n = 0; n < COUNT / 4; n++) sum += left[n] * right[n];
  return sum[0] + sum[1] + sum[2] + sum[3];
}

// Two images laid over each other, with sums that saturate; how much light there is.
__attribute__((export_name("blend"))) u32 blend(u32 times) {
  for (u32 n = 0; n < COUNT; n++) {
    ((u8 *)pixels)[n] = (u8)(n * 7);
    ((u8 *)others)[n] = (u8)(n >> 2);
  }
  u32x4 light = {0, 0, 0, 0};
  while (times--)
    for (u32 n = 0; n < COUNT / 16; n++) {
      u8x16 sum = __builtin_elementwise_add_sat(pixels[n], others[n]);
      pixels[n] = (sum & 254) ^ (sum >> 7);
      light += (u32x4)pixels[n] >> 3;
    }
  return light[0] ^ light[1] ^ light[2] ^ light[3];
}
