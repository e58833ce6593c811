/* SPDX-License-Identifier: Apache-2.0 */
/* A request: its head goes up to the kubelet with who the client is, its body is thrown away. */
#include <string.h>

#include "kubelet/gate/child/internal.h"
#include "pkg/base/base.h"
#include "pkg/base/clock.h"
#include "pkg/codec/pb.h"

enum {
	IDLE_MS = 90 * 1000, /* keep-alive, as stock */
	SLOT_BITS = 12,      /* of an id; CLIENTS_MAX of them */
};

static ProtobufCBinaryData bytes_of(const char *text)
{
	return (ProtobufCBinaryData){ .data = (uint8_t *)(uintptr_t)str_or(text, ""), .len = strlen(str_or(text, "")) };
}

static Gate__Identity *identity_message(struct client *client, struct arena *arena)
{
	const struct tls_identity *identity = tls_conn_identity(client->conn);
	Gate__Identity *message = PB_NEW(arena, Gate__Identity, gate__identity__descriptor);

	message->presented = identity->presented;
	message->verified = identity->verified;
	message->generation = identity->generation;
	message->has_problem = message->has_common_name = message->has_uid = message->has_fingerprint = true;
	message->problem = bytes_of(identity->problem);
	message->common_name = bytes_of(identity->common_name);
	message->uid = bytes_of(identity->uid);
	message->fingerprint = bytes_of(identity->fingerprint);
	message->n_organizations = identity->n_organizations;
	message->organizations = arena_alloc(arena, sizeof(ProtobufCBinaryData) * (identity->n_organizations + 1));
	for (size_t i = 0; i < identity->n_organizations; i++)
		message->organizations[i] = bytes_of(identity->organizations[i]);
	return message;
}

static void send_request(struct client *client)
{
	_cleanup_arena_ struct arena *arena = arena_new();
	const struct http_head *head = &client->head;
	Gate__Request *request = PB_NEW(arena, Gate__Request, gate__request__descriptor);
	Gate__Up up = GATE__UP__INIT;

	request->id = client->id;
	request->listener = client->listener;
	request->method = bytes_of(head->method);
	request->path = bytes_of(head->path);
	request->target = bytes_of(head->target);
	request->query = bytes_of(head->query);
	request->host = bytes_of(head->host);
	request->client = bytes_of(tls_conn_peer(client->conn));
	request->is_http10 = head->minor < 1;
	request->headers = arena_alloc(arena, sizeof(Gate__Header *) * (head->n_headers + 1));
	for (size_t i = 0; i < head->n_headers; i++) {
		Gate__Header *header = PB_NEW(arena, Gate__Header, gate__header__descriptor);

		header->name = bytes_of(head->headers[i].name);
		header->value = bytes_of(head->headers[i].value);
		request->headers[request->n_headers++] = header;
	}
	request->identity = identity_message(client, arena);
	up.request = request;
	client->known = true;
	if (!client->child->channel || channel_send(client->child->channel, &up.base, -1) < 0) {
		client->known = false;
		client_leave(client, LINGER_BAD_MS);
	}
}

void client_again(struct gate_child *child, const Gate__Again *again)
{
	struct client *client = client_find(child, again->id);

	if (!client || client->state != STATE_WAIT)
		return;
	send_request(client);
	client_step(client);
}

static void count_head(struct client *client, size_t bytes)
{
	client->child->head_bytes += bytes - client->head_bytes;
	client->head_bytes = bytes;
}

void head_done(struct client *client)
{
	count_head(client, 0);
	http_head_done(&client->head);
}

void head_start(struct client *client)
{
	client->after_post = client->head.complete && strcmp(client->head.method, "POST") == 0;
	count_head(client, 0);
	http_head_reset(&client->head);
	client->state = STATE_HEAD;
	client->idle_since_ms = loop_now_ms(client->child->loop);
	client->discarded = 0;
	client->peer.ended = client->broken_body = false;
	loop_timer_start(&client->timer, client->served_one ? IDLE_MS : HEAD_MS);
}

void head_discard_body(struct client *client)
{
	while (!client->body.done && !client->broken_body && client->in.size) {
		size_t taken, size;
		const char *content;

		if (http_body_step(&client->body, client->in.bytes, client->in.size, &taken, &content, &size) < 0) {
			client->broken_body = true;
			return;
		}
		buf_consume(&client->in, taken);
		client->discarded += taken;
	}
}

static void refuse_head(struct client *client)
{
	http_head_refuse(&client->out, &client->head, clock_wall_s());
	count_head(client, 0);
	http_head_reset(&client->head);
	client_last_answer(client);
}

void head_step(struct client *client)
{
	struct gate_child *child = client->child;
	bool started = client->head.bytes.size > 0;
	size_t taken;
	int code;

	/* Go forgives old clients that end a POST's body with an empty line too many. */
	while (client->after_post && !started && client->in.size &&
	       (client->in.bytes[0] == '\r' || client->in.bytes[0] == '\n') && client->discarded++ < 4)
		buf_consume(&client->in, 1);
	if (client->in.size) {
		code = http_head_feed(&client->head, client->in.bytes, client->in.size, &taken);
		if (code < 0) {
			refuse_head(client);
			return;
		}
		buf_consume(&client->in, taken);
		count_head(client, client->head_bytes + taken);
		if (child->head_bytes > HEAD_MEMORY_BYTES) {
			client_leave(client, LINGER_BAD_MS);
			return;
		}
		if (!started && client->served_one) /* the first one's time runs since the connection was made */
			loop_timer_start(&client->timer, HEAD_MS);
		if (client->head.complete) {
			client->id = ++child->serial << SLOT_BITS | client->slot;
			client->served_one = true;
			client->state = STATE_WAIT;
			client->discarded = 0;
			loop_timer_stop(&client->timer);
			http_body_init(&client->body, &client->head);
			send_request(client);
			return;
		}
	}
	if (!client->client_ended)
		return;
	/* As Go: a head that breaks off is a bad one. */
	if (client->head.bytes.size > 0) {
		client->head.refusal = 400;
		refuse_head(client);
	} else {
		client_leave(client, LINGER_BAD_MS);
	}
}
