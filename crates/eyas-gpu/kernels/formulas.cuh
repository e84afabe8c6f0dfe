/* Printed from the formulas of the CPU by crates/eyas-gpu/tests/it/formulas.rs; EYAS_ACCEPT=1 writes it anew. */

typedef unsigned int uint32_t;
typedef int int32_t;

/* The nearest whole number, ties to even, of magnitudes below 2^22. */
static __device__ __forceinline__ float eyas_round(float x)
{
    return (x + 12582912.0f) - 12582912.0f;
}

/* 2 to the power of a whole number from -126 to 127. */
static __device__ __forceinline__ float eyas_power_of_two(float x)
{
    const uint32_t bits = (uint32_t)((int32_t)x + 127) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* m of x = m 2^e with m from the root of 1/2 to that of 2. */
static __device__ __forceinline__ float eyas_mantissa(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits -= (bits - 0x3f3504f3u) & 0xff800000u;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* e of x = m 2^e with m from the root of 1/2 to that of 2. */
static __device__ __forceinline__ float eyas_exponent(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits - 0x3f3504f3u) >> 23;
    return (float)((int32_t)bits - (bits > 255u ? 512 : 0));
}

static __device__ __forceinline__ float eyas_gru(float input_r, float input_z, float input_n, float state_r, float state_z, float state_n, float state, float *update, float *fresh, float *next)
{
    const float n7 = input_r + state_r;
    const float n10 = (-16.0f) < n7 ? n7 : (-16.0f);
    const float n11 = n10 < 16.0f ? n10 : 16.0f;
    const float n12 = n11 * n11;
    const float n15 = fmaf(n12, 4.4180542e-8f, 4.5919176e-5f);
    const float n17 = fmaf(n12, n15, 0.008071026f);
    const float n19 = fmaf(n12, n17, 0.24999984f);
    const float n20 = n11 * n19;
    const float n23 = fmaf(n12, 9.468124e-10f, 3.7035688e-6f);
    const float n25 = fmaf(n12, n23, 0.001485239f);
    const float n27 = fmaf(n12, n25, 0.11561685f);
    const float n29 = fmaf(n12, n27, 1.0f);
    const float n30 = n20 / n29;
    const float n32 = n30 + 0.5f;
    const float n33 = input_z + state_z;
    const float n34 = (-16.0f) < n33 ? n33 : (-16.0f);
    const float n35 = n34 < 16.0f ? n34 : 16.0f;
    const float n36 = n35 * n35;
    const float n37 = fmaf(4.4180542e-8f, n36, 4.5919176e-5f);
    const float n38 = fmaf(n36, n37, 0.008071026f);
    const float n39 = fmaf(n36, n38, 0.24999984f);
    const float n40 = n35 * n39;
    const float n41 = fmaf(9.468124e-10f, n36, 3.7035688e-6f);
    const float n42 = fmaf(n36, n41, 0.001485239f);
    const float n43 = fmaf(n36, n42, 0.11561685f);
    const float n44 = fmaf(n36, n43, 1.0f);
    const float n45 = n40 / n44;
    const float n46 = 0.5f + n45;
    const float n47 = fmaf(state_n, n32, input_n);
    const float n50 = (-8.0f) < n47 ? n47 : (-8.0f);
    const float n51 = n50 < 8.0f ? n50 : 8.0f;
    const float n52 = n51 * n51;
    const float n55 = fmaf(n52, 1.1310219e-5f, 0.0029388273f);
    const float n57 = fmaf(n52, n55, 0.12913641f);
    const float n59 = fmaf(n52, n57, 0.99999934f);
    const float n60 = n51 * n59;
    const float n63 = fmaf(n52, 2.4238398e-7f, 0.0002370284f);
    const float n65 = fmaf(n52, n63, 0.023763824f);
    const float n67 = fmaf(n52, n65, 0.4624674f);
    const float n68 = fmaf(n52, n67, 1.0f);
    const float n69 = n60 / n68;
    const float n70 = state - n69;
    const float n71 = fmaf(n46, n70, n69);
    *update = n46;
    *fresh = n69;
    *next = n71;
    return n32;
}

static __device__ __forceinline__ float eyas_gru_backward(float reset, float update, float fresh, float state_n, float before, float d_hidden, float *d_r, float *d_z, float *d_n, float *d_state_n)
{
    const float n6 = update * d_hidden;
    const float n7 = d_hidden - n6;
    const float n8 = -fresh;
    const float n10 = fmaf(fresh, n8, 1.0f);
    const float n11 = n7 * n10;
    const float n12 = before - fresh;
    const float n13 = n6 * n12;
    const float n14 = 1.0f - update;
    const float n15 = n13 * n14;
    const float n16 = reset * n11;
    const float n17 = state_n * n16;
    const float n18 = 1.0f - reset;
    const float n19 = n17 * n18;
    *d_r = n19;
    *d_z = n15;
    *d_n = n11;
    *d_state_n = n16;
    return n6;
}

static __device__ __forceinline__ float eyas_squared_error(float output, float label, float weight, float sum, float *d_output)
{
    const float n4 = output - label;
    const float n5 = n4 * n4;
    const float n6 = fmaf(weight, n5, sum);
    const float n7 = n4 + n4;
    const float n8 = weight * n7;
    *d_output = n8;
    return n6;
}

static __device__ __forceinline__ float eyas_adam(float parameter, float gradient, float mean, float square, float step_size, float root_correction, float *new_mean, float *new_square)
{
    const float n6 = gradient - mean;
    const float n8 = fmaf(n6, 0.100000024f, mean);
    const float n9 = gradient * gradient;
    const float n11 = n9 * 0.0009999871f;
    const float n13 = fmaf(square, 0.999f, n11);
    const float n14 = sqrtf(n13);
    const float n16 = fmaf(root_correction, n14, 1e-8f);
    const float n17 = step_size * n8;
    const float n18 = n17 / n16;
    const float n19 = parameter - n18;
    *new_mean = n8;
    *new_square = n13;
    return n19;
}

static __device__ __forceinline__ float eyas_lstm(float i, float f, float g, float o, float cell, float *next)
{
    const float n7 = (-16.0f) < i ? i : (-16.0f);
    const float n8 = n7 < 16.0f ? n7 : 16.0f;
    const float n9 = n8 * n8;
    const float n12 = fmaf(n9, 4.4180542e-8f, 4.5919176e-5f);
    const float n14 = fmaf(n9, n12, 0.008071026f);
    const float n16 = fmaf(n9, n14, 0.24999984f);
    const float n17 = n8 * n16;
    const float n20 = fmaf(n9, 9.468124e-10f, 3.7035688e-6f);
    const float n22 = fmaf(n9, n20, 0.001485239f);
    const float n24 = fmaf(n9, n22, 0.11561685f);
    const float n26 = fmaf(n9, n24, 1.0f);
    const float n27 = n17 / n26;
    const float n29 = n27 + 0.5f;
    const float n30 = (-16.0f) < f ? f : (-16.0f);
    const float n31 = n30 < 16.0f ? n30 : 16.0f;
    const float n32 = n31 * n31;
    const float n33 = fmaf(4.4180542e-8f, n32, 4.5919176e-5f);
    const float n34 = fmaf(n32, n33, 0.008071026f);
    const float n35 = fmaf(n32, n34, 0.24999984f);
    const float n36 = n31 * n35;
    const float n37 = fmaf(9.468124e-10f, n32, 3.7035688e-6f);
    const float n38 = fmaf(n32, n37, 0.001485239f);
    const float n39 = fmaf(n32, n38, 0.11561685f);
    const float n40 = fmaf(n32, n39, 1.0f);
    const float n41 = n36 / n40;
    const float n42 = 0.5f + n41;
    const float n45 = (-8.0f) < g ? g : (-8.0f);
    const float n46 = n45 < 8.0f ? n45 : 8.0f;
    const float n47 = n46 * n46;
    const float n50 = fmaf(n47, 1.1310219e-5f, 0.0029388273f);
    const float n52 = fmaf(n47, n50, 0.12913641f);
    const float n54 = fmaf(n47, n52, 0.99999934f);
    const float n55 = n46 * n54;
    const float n58 = fmaf(n47, 2.4238398e-7f, 0.0002370284f);
    const float n60 = fmaf(n47, n58, 0.023763824f);
    const float n62 = fmaf(n47, n60, 0.4624674f);
    const float n63 = fmaf(n47, n62, 1.0f);
    const float n64 = n55 / n63;
    const float n65 = (-16.0f) < o ? o : (-16.0f);
    const float n66 = n65 < 16.0f ? n65 : 16.0f;
    const float n67 = n66 * n66;
    const float n68 = fmaf(4.4180542e-8f, n67, 4.5919176e-5f);
    const float n69 = fmaf(n67, n68, 0.008071026f);
    const float n70 = fmaf(n67, n69, 0.24999984f);
    const float n71 = n66 * n70;
    const float n72 = fmaf(9.468124e-10f, n67, 3.7035688e-6f);
    const float n73 = fmaf(n67, n72, 0.001485239f);
    const float n74 = fmaf(n67, n73, 0.11561685f);
    const float n75 = fmaf(n67, n74, 1.0f);
    const float n76 = n71 / n75;
    const float n77 = 0.5f + n76;
    const float n78 = n29 * n64;
    const float n79 = fmaf(cell, n42, n78);
    const float n80 = (-8.0f) < n79 ? n79 : (-8.0f);
    const float n81 = n80 < 8.0f ? n80 : 8.0f;
    const float n82 = n81 * n81;
    const float n83 = fmaf(1.1310219e-5f, n82, 0.0029388273f);
    const float n84 = fmaf(n82, n83, 0.12913641f);
    const float n85 = fmaf(n82, n84, 0.99999934f);
    const float n86 = n81 * n85;
    const float n87 = fmaf(2.4238398e-7f, n82, 0.0002370284f);
    const float n88 = fmaf(n82, n87, 0.023763824f);
    const float n89 = fmaf(n82, n88, 0.4624674f);
    const float n90 = fmaf(n82, n89, 1.0f);
    const float n91 = n86 / n90;
    const float n92 = n77 * n91;
    *next = n79;
    return n92;
}

static __device__ __forceinline__ float eyas_normalize(float x, float mean, float scale)
{
    const float n3 = x - mean;
    const float n4 = scale * n3;
    return n4;
}

static __device__ __forceinline__ float eyas_clip(float x, float limit)
{
    const int m0 = limit < x;
    const float n2 = m0 ? limit : x;
    const float n3 = -limit;
    const int m1 = n2 < n3;
    const float n4 = m1 ? n3 : n2;
    return n4;
}

static __device__ __forceinline__ float eyas_beta_mean(float alpha, float beta)
{
    const float n3 = 0.0f < alpha ? alpha : 0.0f;
    const float n4 = fabsf(alpha);
    const float n5 = -n4;
    const float n7 = (-87.0f) < n5 ? n5 : (-87.0f);
    const float n9 = n7 < 88.0f ? n7 : 88.0f;
    const float n11 = n9 * 1.442695f;
    const float n12 = eyas_round(n11);
    const float n14 = fmaf(n12, (-0.6933594f), n9);
    const float n16 = fmaf(n12, 0.00021219444f, n14);
    const float n19 = fmaf(n16, 0.00019875691f, 0.0013981999f);
    const float n21 = fmaf(n16, n19, 0.008333452f);
    const float n23 = fmaf(n16, n21, 0.041665796f);
    const float n25 = fmaf(n16, n23, 0.16666666f);
    const float n27 = fmaf(n16, n25, 0.5f);
    const float n28 = n16 * n16;
    const float n29 = fmaf(n27, n28, n16);
    const float n31 = n29 + 1.0f;
    const float n32 = eyas_power_of_two(n12);
    const float n33 = n31 * n32;
    const float n34 = 1.0f + n33;
    const float n35 = eyas_mantissa(n34);
    const float n36 = eyas_exponent(n34);
    const float n37 = n35 - 1.0f;
    const float n38 = n37 * n37;
    const float n41 = fmaf(n37, 0.070376836f, (-0.1151461f));
    const float n43 = fmaf(n37, n41, 0.11676999f);
    const float n45 = fmaf(n37, n43, (-0.12420141f));
    const float n47 = fmaf(n37, n45, 0.14249323f);
    const float n49 = fmaf(n37, n47, (-0.16668057f));
    const float n51 = fmaf(n37, n49, 0.20000716f);
    const float n53 = fmaf(n37, n51, (-0.24999994f));
    const float n55 = fmaf(n37, n53, 0.3333333f);
    const float n57 = n37 * n38;
    const float n58 = n55 * n57;
    const float n59 = fmaf(n36, (-0.00021219444f), n58);
    const float n61 = fmaf(n38, (-0.5f), n59);
    const float n62 = n37 + n61;
    const float n64 = fmaf(n36, 0.6933594f, n62);
    const float n65 = n3 + n64;
    const float n66 = 1.0f + n65;
    const float n67 = 0.0f < beta ? beta : 0.0f;
    const float n68 = fabsf(beta);
    const float n69 = -n68;
    const float n70 = (-87.0f) < n69 ? n69 : (-87.0f);
    const float n71 = n70 < 88.0f ? n70 : 88.0f;
    const float n72 = 1.442695f * n71;
    const float n73 = eyas_round(n72);
    const float n74 = fmaf((-0.6933594f), n73, n71);
    const float n75 = fmaf(0.00021219444f, n73, n74);
    const float n76 = fmaf(0.00019875691f, n75, 0.0013981999f);
    const float n77 = fmaf(n75, n76, 0.008333452f);
    const float n78 = fmaf(n75, n77, 0.041665796f);
    const float n79 = fmaf(n75, n78, 0.16666666f);
    const float n80 = fmaf(n75, n79, 0.5f);
    const float n81 = n75 * n75;
    const float n82 = fmaf(n80, n81, n75);
    const float n83 = 1.0f + n82;
    const float n84 = eyas_power_of_two(n73);
    const float n85 = n83 * n84;
    const float n86 = 1.0f + n85;
    const float n87 = eyas_mantissa(n86);
    const float n88 = eyas_exponent(n86);
    const float n89 = n87 - 1.0f;
    const float n90 = n89 * n89;
    const float n91 = fmaf(0.070376836f, n89, (-0.1151461f));
    const float n92 = fmaf(n89, n91, 0.11676999f);
    const float n93 = fmaf(n89, n92, (-0.12420141f));
    const float n94 = fmaf(n89, n93, 0.14249323f);
    const float n95 = fmaf(n89, n94, (-0.16668057f));
    const float n96 = fmaf(n89, n95, 0.20000716f);
    const float n97 = fmaf(n89, n96, (-0.24999994f));
    const float n98 = fmaf(n89, n97, 0.3333333f);
    const float n99 = n89 * n90;
    const float n100 = n98 * n99;
    const float n101 = fmaf((-0.00021219444f), n88, n100);
    const float n102 = fmaf((-0.5f), n90, n101);
    const float n103 = n89 + n102;
    const float n104 = fmaf(0.6933594f, n88, n103);
    const float n105 = n67 + n104;
    const float n106 = 1.0f + n105;
    const float n108 = n66 * 2.0f;
    const float n109 = n66 + n106;
    const float n110 = n108 / n109;
    const float n111 = n110 - 1.0f;
    return n111;
}

static __device__ __forceinline__ float eyas_elu(float x)
{
    const float n2 = 0.0f < x ? x : 0.0f;
    const float n3 = x < 0.0f ? x : 0.0f;
    const float n5 = (-25.0f) < n3 ? n3 : (-25.0f);
    const float n7 = n5 * 1.442695f;
    const float n8 = eyas_round(n7);
    const float n10 = fmaf(n8, (-0.6931472f), n5);
    const float n13 = fmaf(n10, 0.008374648f, 0.041898325f);
    const float n15 = fmaf(n10, n13, 0.16666457f);
    const float n17 = fmaf(n10, n15, 0.49999148f);
    const float n18 = n10 * n10;
    const float n19 = fmaf(n17, n18, n10);
    const float n20 = eyas_power_of_two(n8);
    const float n22 = n20 - 1.0f;
    const float n23 = fmaf(n19, n20, n22);
    const float n24 = n2 + n23;
    return n24;
}

static __device__ __forceinline__ float eyas_elu_slope(float y)
{
    const float n2 = y < 0.0f ? y : 0.0f;
    const float n4 = n2 + 1.0f;
    return n4;
}

static __device__ __forceinline__ float eyas_selu(float x)
{
    const float n3 = x < 0.0f ? x : 0.0f;
    const float n5 = (-25.0f) < n3 ? n3 : (-25.0f);
    const float n7 = n5 * 1.442695f;
    const float n8 = eyas_round(n7);
    const float n10 = fmaf(n8, (-0.6931472f), n5);
    const float n13 = fmaf(n10, 0.008374648f, 0.041898325f);
    const float n15 = fmaf(n10, n13, 0.16666457f);
    const float n17 = fmaf(n10, n15, 0.49999148f);
    const float n18 = n10 * n10;
    const float n19 = fmaf(n17, n18, n10);
    const float n20 = eyas_power_of_two(n8);
    const float n22 = n20 - 1.0f;
    const float n23 = fmaf(n19, n20, n22);
    const float n24 = 1.6732632f * n23;
    const float n26 = 0.0f < x ? x : 0.0f;
    const float n27 = n24 + n26;
    const float n28 = 1.050701f * n27;
    return n28;
}

static __device__ __forceinline__ float eyas_selu_slope(float y)
{
    const int m0 = 0.0f < y;
    const float n4 = y + 1.7580993f;
    const float n5 = m0 ? 1.050701f : n4;
    return n5;
}

static __device__ __forceinline__ float eyas_relu(float x)
{
    const float n2 = 0.0f < x ? x : 0.0f;
    return n2;
}

static __device__ __forceinline__ float eyas_relu_slope(float y)
{
    const int m0 = 0.0f < y;
    const float n3 = m0 ? 1.0f : 0.0f;
    return n3;
}

static __device__ __forceinline__ float eyas_leaky_relu(float x)
{
    const float n2 = x * 0.01f;
    const float n3 = n2 < x ? x : n2;
    return n3;
}

static __device__ __forceinline__ float eyas_leaky_relu_slope(float y)
{
    const int m0 = 0.0f < y;
    const float n4 = m0 ? 1.0f : 0.01f;
    return n4;
}

static __device__ __forceinline__ float eyas_tanh(float x)
{
    const float n3 = (-8.0f) < x ? x : (-8.0f);
    const float n4 = n3 < 8.0f ? n3 : 8.0f;
    const float n5 = n4 * n4;
    const float n8 = fmaf(n5, 1.1310219e-5f, 0.0029388273f);
    const float n10 = fmaf(n5, n8, 0.12913641f);
    const float n12 = fmaf(n5, n10, 0.99999934f);
    const float n13 = n4 * n12;
    const float n16 = fmaf(n5, 2.4238398e-7f, 0.0002370284f);
    const float n18 = fmaf(n5, n16, 0.023763824f);
    const float n20 = fmaf(n5, n18, 0.4624674f);
    const float n22 = fmaf(n5, n20, 1.0f);
    const float n23 = n13 / n22;
    return n23;
}

static __device__ __forceinline__ float eyas_tanh_slope(float y)
{
    const float n1 = -y;
    const float n3 = fmaf(y, n1, 1.0f);
    return n3;
}

static __device__ __forceinline__ float eyas_sigmoid(float x)
{
    const float n3 = (-16.0f) < x ? x : (-16.0f);
    const float n4 = n3 < 16.0f ? n3 : 16.0f;
    const float n5 = n4 * n4;
    const float n8 = fmaf(n5, 4.4180542e-8f, 4.5919176e-5f);
    const float n10 = fmaf(n5, n8, 0.008071026f);
    const float n12 = fmaf(n5, n10, 0.24999984f);
    const float n13 = n4 * n12;
    const float n16 = fmaf(n5, 9.468124e-10f, 3.7035688e-6f);
    const float n18 = fmaf(n5, n16, 0.001485239f);
    const float n20 = fmaf(n5, n18, 0.11561685f);
    const float n22 = fmaf(n5, n20, 1.0f);
    const float n23 = n13 / n22;
    const float n25 = n23 + 0.5f;
    return n25;
}

static __device__ __forceinline__ float eyas_sigmoid_slope(float y)
{
    const float n2 = 1.0f - y;
    const float n3 = y * n2;
    return n3;
}

static __device__ __forceinline__ float eyas_softplus(float x)
{
    const float n2 = 0.0f < x ? x : 0.0f;
    const float n3 = fabsf(x);
    const float n4 = -n3;
    const float n6 = (-87.0f) < n4 ? n4 : (-87.0f);
    const float n8 = n6 < 88.0f ? n6 : 88.0f;
    const float n10 = n8 * 1.442695f;
    const float n11 = eyas_round(n10);
    const float n13 = fmaf(n11, (-0.6933594f), n8);
    const float n15 = fmaf(n11, 0.00021219444f, n13);
    const float n18 = fmaf(n15, 0.00019875691f, 0.0013981999f);
    const float n20 = fmaf(n15, n18, 0.008333452f);
    const float n22 = fmaf(n15, n20, 0.041665796f);
    const float n24 = fmaf(n15, n22, 0.16666666f);
    const float n26 = fmaf(n15, n24, 0.5f);
    const float n27 = n15 * n15;
    const float n28 = fmaf(n26, n27, n15);
    const float n30 = n28 + 1.0f;
    const float n31 = eyas_power_of_two(n11);
    const float n32 = n30 * n31;
    const float n33 = 1.0f + n32;
    const float n34 = eyas_mantissa(n33);
    const float n35 = eyas_exponent(n33);
    const float n36 = n34 - 1.0f;
    const float n37 = n36 * n36;
    const float n40 = fmaf(n36, 0.070376836f, (-0.1151461f));
    const float n42 = fmaf(n36, n40, 0.11676999f);
    const float n44 = fmaf(n36, n42, (-0.12420141f));
    const float n46 = fmaf(n36, n44, 0.14249323f);
    const float n48 = fmaf(n36, n46, (-0.16668057f));
    const float n50 = fmaf(n36, n48, 0.20000716f);
    const float n52 = fmaf(n36, n50, (-0.24999994f));
    const float n54 = fmaf(n36, n52, 0.3333333f);
    const float n56 = n36 * n37;
    const float n57 = n54 * n56;
    const float n58 = fmaf(n35, (-0.00021219444f), n57);
    const float n60 = fmaf(n37, (-0.5f), n58);
    const float n61 = n36 + n60;
    const float n63 = fmaf(n35, 0.6933594f, n61);
    const float n64 = n2 + n63;
    return n64;
}

static __device__ __forceinline__ float eyas_softplus_slope(float y)
{
    const float n2 = -y;
    const float n4 = (-87.0f) < n2 ? n2 : (-87.0f);
    const float n6 = n4 < 88.0f ? n4 : 88.0f;
    const float n8 = n6 * 1.442695f;
    const float n9 = eyas_round(n8);
    const float n11 = fmaf(n9, (-0.6933594f), n6);
    const float n13 = fmaf(n9, 0.00021219444f, n11);
    const float n16 = fmaf(n13, 0.00019875691f, 0.0013981999f);
    const float n18 = fmaf(n13, n16, 0.008333452f);
    const float n20 = fmaf(n13, n18, 0.041665796f);
    const float n22 = fmaf(n13, n20, 0.16666666f);
    const float n24 = fmaf(n13, n22, 0.5f);
    const float n25 = n13 * n13;
    const float n26 = fmaf(n24, n25, n13);
    const float n27 = 1.0f + n26;
    const float n28 = eyas_power_of_two(n9);
    const float n29 = n27 * n28;
    const float n30 = 1.0f - n29;
    return n30;
}

static __device__ __forceinline__ float eyas_identity(float x)
{
    return x;
}

static __device__ __forceinline__ float eyas_identity_slope(float y)
{
    return 1.0f;
}

constexpr uint32_t EYAS_IDENTITY = 11;

/* Values of an activation, by its number. */
template <uint32_t N> static __device__ __forceinline__ void eyas_values(uint32_t activation, float (&x)[N])
{
    switch (activation) {
    case 3:
    case 0:
        for (uint32_t i = 0; i < N; ++i)
            x[i] = eyas_elu(x[i]);
        break;
    case 1:
        for (uint32_t i = 0; i < N; ++i)
            x[i] = eyas_selu(x[i]);
        break;
    case 2:
        for (uint32_t i = 0; i < N; ++i)
            x[i] = eyas_relu(x[i]);
        break;
    case 4:
        for (uint32_t i = 0; i < N; ++i)
            x[i] = eyas_leaky_relu(x[i]);
        break;
    case 5:
        for (uint32_t i = 0; i < N; ++i)
            x[i] = eyas_tanh(x[i]);
        break;
    case 6:
        for (uint32_t i = 0; i < N; ++i)
            x[i] = eyas_sigmoid(x[i]);
        break;
    case 7:
        for (uint32_t i = 0; i < N; ++i)
            x[i] = eyas_softplus(x[i]);
        break;
    case 11:
        for (uint32_t i = 0; i < N; ++i)
            x[i] = eyas_identity(x[i]);
        break;
    }
}

/* Its derivatives where it takes the values x. */
template <uint32_t N> static __device__ __forceinline__ void eyas_slopes(uint32_t activation, float (&x)[N])
{
    switch (activation) {
    case 3:
    case 0:
        for (uint32_t i = 0; i < N; ++i)
            x[i] = eyas_elu_slope(x[i]);
        break;
    case 1:
        for (uint32_t i = 0; i < N; ++i)
            x[i] = eyas_selu_slope(x[i]);
        break;
    case 2:
        for (uint32_t i = 0; i < N; ++i)
            x[i] = eyas_relu_slope(x[i]);
        break;
    case 4:
        for (uint32_t i = 0; i < N; ++i)
            x[i] = eyas_leaky_relu_slope(x[i]);
        break;
    case 5:
        for (uint32_t i = 0; i < N; ++i)
            x[i] = eyas_tanh_slope(x[i]);
        break;
    case 6:
        for (uint32_t i = 0; i < N; ++i)
            x[i] = eyas_sigmoid_slope(x[i]);
        break;
    case 7:
        for (uint32_t i = 0; i < N; ++i)
            x[i] = eyas_softplus_slope(x[i]);
        break;
    case 11:
        for (uint32_t i = 0; i < N; ++i)
            x[i] = eyas_identity_slope(x[i]);
        break;
    }
}

