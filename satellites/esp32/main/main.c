/* A satellite: a button, a microphone and a speaker, which talk to PASSFEL's realtime door.
 *
 * What can go wrong lies in components/passfel, which is tested; here it is joined to the chip.
 */
#include <string.h>

#include "driver/gpio.h"
#include "esp_event.h"
#include "esp_log.h"
#include "esp_netif.h"
#include "esp_random.h"
#include "esp_timer.h"
#include "esp_websocket_client.h"
#include "esp_wifi.h"
#include "freertos/FreeRTOS.h"
#include "freertos/semphr.h"
#include "freertos/task.h"
#include "jitter.h"
#include "link.h"
#include "messages.h"
#include "nvs_flash.h"
#include "sdkconfig.h"
#include "sound.h"
#include "talk.h"

#define PIECE 480            /* samples: 20 ms */
#define BUFFERED PF_RATE     /* samples: a second; the house sends a tenth ahead */
#define BEGIN (PF_RATE / 10) /* samples that are waited for before an answer is played */
#define LONGEST_EVENT 8192   /* bytes; of longer ones a device acts on none */
#define SEND_MS 200          /* in which sound is sent; later it is of no use */

static const char TAG[] = "passfel";
extern const char authority[] asm("_binary_authority_pem_start");

static SemaphoreHandle_t lock; /* holds what follows */
static pf_link connection;
static pf_talk talking = {
#ifdef CONFIG_PASSFEL_BARGE_IN
    .barge_in = true,
#endif
};
static int16_t buffered[BUFFERED];
static pf_jitter jitter = {.samples = buffered, .size = BUFFERED, .begin = BEGIN};
static bool greet; /* the session has begun and is to be set up */

static esp_websocket_client_handle_t client;

static uint32_t now(void)
{
    return (uint32_t)(esp_timer_get_time() / 1000);
}

static void follow(const char *json, size_t length)
{
    static int16_t samples[LONGEST_EVENT / 2];
    pf_event event = pf_read(json, length);
    ptrdiff_t bytes = 0;
    if (event.kind == PF_EVENT_AUDIO)
        bytes = pf_decode((uint8_t *)samples, sizeof samples, event.audio, event.audio_length);
    if (event.kind == PF_EVENT_ERROR) ESP_LOGW(TAG, "%.*s", (int)length, json);
    xSemaphoreTake(lock, portMAX_DELAY);
    pf_talk_event(&talking, event.kind, now());
    if (event.kind == PF_EVENT_SESSION) greet = true;
    if (event.kind == PF_EVENT_SPEECH_STARTED) pf_jitter_drop(&jitter);
    if (event.kind == PF_EVENT_RESPONSE_DONE) pf_jitter_end(&jitter);
    if (bytes > 0) pf_jitter_put(&jitter, samples, (size_t)bytes / sizeof *samples);
    xSemaphoreGive(lock);
}

static void on_websocket(void *context, esp_event_base_t base, int32_t id, void *told)
{
    static char buffer[LONGEST_EVENT];
    static pf_inbox inbox = {.buffer = buffer, .size = sizeof buffer};
    esp_websocket_event_data_t *data = told;
    bool refused = data->error_handle.esp_ws_handshake_status_code == 401;
    xSemaphoreTake(lock, portMAX_DELAY);
    switch (id) {
    case WEBSOCKET_EVENT_CONNECTED:
        pf_link_opened(&connection, now());
        break;
    case WEBSOCKET_EVENT_DATA:
        pf_link_heard(&connection, now());
        break;
    case WEBSOCKET_EVENT_ERROR:
    case WEBSOCKET_EVENT_DISCONNECTED:
    case WEBSOCKET_EVENT_CLOSED:
        if (refused) ESP_LOGE(TAG, "the token is not known to the house: make one with passfel pair --token NAME");
        pf_link_closed(&connection, refused, esp_random(), now());
        pf_talk_lost(&talking);
        pf_jitter_drop(&jitter);
        break;
    }
    xSemaphoreGive(lock);
    bool text = data->op_code == 1 || data->op_code == 0;
    if (id == WEBSOCKET_EVENT_DATA && text &&
        pf_take(&inbox, data->data_ptr, (size_t)data->data_len, (size_t)data->payload_offset,
                (size_t)data->payload_len))
        follow(inbox.buffer, inbox.length);
}

static void on_network(void *context, esp_event_base_t base, int32_t id, void *told)
{
    bool there = base == IP_EVENT && id == IP_EVENT_STA_GOT_IP;
    if (base == WIFI_EVENT && (id == WIFI_EVENT_STA_START || id == WIFI_EVENT_STA_DISCONNECTED)) esp_wifi_connect();
    if (!there && id != WIFI_EVENT_STA_DISCONNECTED) return;
    xSemaphoreTake(lock, portMAX_DELAY);
    pf_link_network(&connection, there, now());
    xSemaphoreGive(lock);
}

static void begin_network(void)
{
    ESP_ERROR_CHECK(nvs_flash_init());
    ESP_ERROR_CHECK(esp_netif_init());
    ESP_ERROR_CHECK(esp_event_loop_create_default());
    esp_netif_create_default_wifi_sta();
    wifi_init_config_t init = WIFI_INIT_CONFIG_DEFAULT();
    ESP_ERROR_CHECK(esp_wifi_init(&init));
    ESP_ERROR_CHECK(esp_event_handler_register(WIFI_EVENT, ESP_EVENT_ANY_ID, on_network, NULL));
    ESP_ERROR_CHECK(esp_event_handler_register(IP_EVENT, IP_EVENT_STA_GOT_IP, on_network, NULL));
    wifi_config_t config = {0};
    strlcpy((char *)config.sta.ssid, CONFIG_PASSFEL_WIFI_NAME, sizeof config.sta.ssid);
    strlcpy((char *)config.sta.password, CONFIG_PASSFEL_WIFI_PASSWORD, sizeof config.sta.password);
    ESP_ERROR_CHECK(esp_wifi_set_mode(WIFI_MODE_STA));
    ESP_ERROR_CHECK(esp_wifi_set_config(WIFI_IF_STA, &config));
    ESP_ERROR_CHECK(esp_wifi_start());
    /* Sound that waits for the next beacon is late. */
    ESP_ERROR_CHECK(esp_wifi_set_ps(WIFI_PS_NONE));
}

static void begin_websocket(void)
{
    esp_websocket_client_config_t config = {
        .uri = CONFIG_PASSFEL_URL,
        .headers = "Authorization: Bearer " CONFIG_PASSFEL_TOKEN "\r\n",
        .cert_pem = authority,
        /* The authority vouches for the house's own machines alone. */
        .skip_cert_common_name_check = true,
        .disable_auto_reconnect = true,
        .network_timeout_ms = 10000,
        .buffer_size = 4096,
        .task_stack = 8192,
    };
    client = esp_websocket_client_init(&config);
    ESP_ERROR_CHECK(esp_websocket_register_events(client, WEBSOCKET_EVENT_ANY, on_websocket, NULL));
}

static void hear(void *context)
{
    static int16_t samples[PIECE];
    static char event[PF_APPEND_SIZE(sizeof samples)];
    while (true) {
        sound_hear(samples, PIECE);
        xSemaphoreTake(lock, portMAX_DELAY);
        bool listens = connection.state == PF_CONNECTED && pf_talk_listens(&talking, pf_jitter_busy(&jitter), now());
        bool first = greet;
        greet = false;
        xSemaphoreGive(lock);
        if (first) esp_websocket_client_send_text(client, PF_SESSION_UPDATE, strlen(PF_SESSION_UPDATE), portMAX_DELAY);
        if (!listens) continue;
        size_t length = pf_append(event, sizeof event, samples, sizeof samples);
        esp_websocket_client_send_text(client, event, (int)length, pdMS_TO_TICKS(SEND_MS));
    }
}

static void play(void *context)
{
    static int16_t samples[PIECE / 2];
    while (true) {
        xSemaphoreTake(lock, portMAX_DELAY);
        pf_jitter_get(&jitter, samples, PIECE / 2);
        xSemaphoreGive(lock);
        sound_play(samples, PIECE / 2);
    }
}

void app_main(void)
{
    lock = xSemaphoreCreateMutex();
    pf_link_begin(&connection, now());
    gpio_config_t button = {
        .pin_bit_mask = 1ULL << CONFIG_PASSFEL_BUTTON, .mode = GPIO_MODE_INPUT, .pull_up_en = GPIO_PULLUP_ENABLE};
    ESP_ERROR_CHECK(gpio_config(&button));
    sound_begin();
    begin_network();
    begin_websocket();
    xTaskCreate(hear, "hear", 6144, NULL, 6, NULL);
    xTaskCreate(play, "play", 4096, NULL, 7, NULL);
    bool was_down = false;
    while (true) {
        bool down = gpio_get_level(CONFIG_PASSFEL_BUTTON) == 0;
        xSemaphoreTake(lock, portMAX_DELAY);
        if (down && !was_down) pf_talk_button(&talking, now());
        pf_link_action action = pf_link_tick(&connection, now());
        xSemaphoreGive(lock);
        was_down = down;
        bool failed = action == PF_DISCONNECT;
        if (action != PF_NOTHING) esp_websocket_client_stop(client);
        if (action == PF_CONNECT) failed = esp_websocket_client_start(client) != ESP_OK;
        if (failed) {
            xSemaphoreTake(lock, portMAX_DELAY);
            pf_link_closed(&connection, false, esp_random(), now());
            pf_talk_lost(&talking);
            xSemaphoreGive(lock);
        }
        vTaskDelay(pdMS_TO_TICKS(50));
    }
}
