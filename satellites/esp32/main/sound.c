#include "sound.h"

#include "driver/i2s_std.h"
#include "esp_check.h"
#include "messages.h"
#include "sdkconfig.h"

#define MOST 480 /* samples at a time */

static i2s_chan_handle_t microphone, speaker;

void sound_begin(void)
{
    i2s_chan_config_t first = I2S_CHANNEL_DEFAULT_CONFIG(I2S_NUM_0, I2S_ROLE_MASTER);
    i2s_chan_config_t second = I2S_CHANNEL_DEFAULT_CONFIG(I2S_NUM_1, I2S_ROLE_MASTER);
    second.auto_clear = true;
    ESP_ERROR_CHECK(i2s_new_channel(&first, NULL, &microphone));
    ESP_ERROR_CHECK(i2s_new_channel(&second, &speaker, NULL));
    i2s_std_config_t in = {
        .clk_cfg = I2S_STD_CLK_DEFAULT_CONFIG(PF_RATE),
        .slot_cfg = I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_32BIT, I2S_SLOT_MODE_MONO),
        .gpio_cfg =
            {
                .mclk = I2S_GPIO_UNUSED,
                .bclk = CONFIG_PASSFEL_MIC_BCLK,
                .ws = CONFIG_PASSFEL_MIC_WS,
                .dout = I2S_GPIO_UNUSED,
                .din = CONFIG_PASSFEL_MIC_DATA,
            },
    };
    i2s_std_config_t out = {
        .clk_cfg = I2S_STD_CLK_DEFAULT_CONFIG(PF_RATE),
        .slot_cfg = I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_16BIT, I2S_SLOT_MODE_MONO),
        .gpio_cfg =
            {
                .mclk = I2S_GPIO_UNUSED,
                .bclk = CONFIG_PASSFEL_SPEAKER_BCLK,
                .ws = CONFIG_PASSFEL_SPEAKER_WS,
                .dout = CONFIG_PASSFEL_SPEAKER_DATA,
                .din = I2S_GPIO_UNUSED,
            },
    };
    ESP_ERROR_CHECK(i2s_channel_init_std_mode(microphone, &in));
    ESP_ERROR_CHECK(i2s_channel_init_std_mode(speaker, &out));
    ESP_ERROR_CHECK(i2s_channel_enable(microphone));
    ESP_ERROR_CHECK(i2s_channel_enable(speaker));
}

void sound_hear(int16_t *samples, size_t count)
{
    static int32_t raw[MOST];
    size_t bytes = 0;
    if (count > MOST) count = MOST;
    i2s_channel_read(microphone, raw, count * sizeof *raw, &bytes, 1000);
    for (size_t i = 0; i < count; i++) {
        /* The microphone's 24 bits are at the top; it is quiet, so two bits more than 16 are kept from below. */
        int32_t sample = i < bytes / sizeof *raw ? raw[i] >> 14 : 0;
        samples[i] = (int16_t)(sample > INT16_MAX ? INT16_MAX : sample < INT16_MIN ? INT16_MIN : sample);
    }
}

void sound_play(const int16_t *samples, size_t count)
{
    size_t bytes = 0;
    i2s_channel_write(speaker, samples, count * sizeof *samples, &bytes, 1000);
}
