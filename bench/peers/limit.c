/* The limit: rabbitmq-c reads each message and looks at none, and acks fifty at once.
   Usage: limit HOST PORT USER PASSWORD VHOST QUEUE */
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHANNEL = 1, PREFETCH = 200, ACKED_AT_ONCE = 50, FRAME = 131072 };

static void require(int good, const char *what) {
    if (!good) {
        fprintf(stderr, "%s failed\n", what);
        exit(1);
    }
}

int main(int count, char **argument) {
    require(count == 7, "reading six arguments");
    amqp_connection_state_t connection = amqp_new_connection();
    amqp_socket_t *socket = amqp_tcp_socket_new(connection);
    require(amqp_socket_open(socket, argument[1], atoi(argument[2])) == 0, "connecting");
    amqp_rpc_reply_t reply =
        amqp_login(connection, argument[5], 0, FRAME, 0, AMQP_SASL_METHOD_PLAIN, argument[3], argument[4]);
    require(reply.reply_type == AMQP_RESPONSE_NORMAL, "the login");
    amqp_channel_open(connection, CHANNEL);
    amqp_basic_qos(connection, CHANNEL, 0, PREFETCH, 0);
    amqp_basic_consume(connection, CHANNEL, amqp_cstring_bytes(argument[6]), amqp_empty_bytes, 0, 0, 0,
                       amqp_empty_table);
    require(amqp_get_rpc_reply(connection).reply_type == AMQP_RESPONSE_NORMAL, "consuming");
    for (int open = 1;; open++) {
        amqp_envelope_t envelope;
        amqp_maybe_release_buffers(connection);
        reply = amqp_consume_message(connection, &envelope, NULL, 0);
        require(reply.reply_type == AMQP_RESPONSE_NORMAL, "reading a message");
        if (open == ACKED_AT_ONCE) {
            amqp_basic_ack(connection, CHANNEL, envelope.delivery_tag, 1);
            open = 0;
        }
        amqp_destroy_envelope(&envelope);
    }
}
