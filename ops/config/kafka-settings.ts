import { Type } from 'typebox'
import type { Setting } from './settings.ts'

/** Settings that have an effect only if the log is a Kafka cluster. */
export const kafkaSettings: readonly Setting[] = [
  {
    key: 'processing',
    variable: 'WAGGLE_PROCESSING',
    schema: Type.Enum(['at_least_once', 'exactly_once']),
    default: 'at_least_once',
    about: 'exactly_once: transactions, which cost about one commit a sub-topology. Embedded it is exactly once always.',
  },
  {
    key: 'commit_interval_ms',
    variable: 'WAGGLE_COMMIT_INTERVAL_MS',
    schema: Type.Integer({ minimum: 1, maximum: 600_000 }),
    default: 100,
    about: 'How often positions and state are committed at the least. Exactly once, a quiet swarm commits as soon as it has written something.',
  },
  {
    key: 'linger_ms',
    variable: 'WAGGLE_LINGER_MS',
    schema: Type.Integer({ minimum: 0, maximum: 1000 }),
    default: 1,
    about:
      'How long a record waits for others to go with it, at most until the next commit: more is fewer, larger batches, and as much later an answer for each topic on its way.',
  },
  {
    key: 'replication_factor',
    variable: 'WAGGLE_REPLICATION_FACTOR',
    schema: Type.Integer({ minimum: 1, maximum: 32_767 }),
    default: null,
    about: 'Replicas of the topics that are made. Without it what the brokers say.',
  },
  {
    key: 'answer_partitions',
    variable: 'WAGGLE_ANSWER_PARTITIONS',
    schema: Type.Integer({ minimum: 1, maximum: 10_000 }),
    default: 16,
    about: 'Partitions of the topic that brings answers to the process that waits for them, each of which reads one.',
  },
  {
    key: 'instance',
    variable: 'WAGGLE_INSTANCE',
    schema: Type.String({ pattern: '^[A-Za-z0-9._-]{1,100}$' }),
    default: null,
    about: 'Name of this process, its own and the same over restarts: back within the session, it has its tasks without a rebalance.',
  },
  {
    key: 'session_timeout_ms',
    variable: 'WAGGLE_SESSION_TIMEOUT_MS',
    schema: Type.Integer({ minimum: 1000, maximum: 1_800_000 }),
    default: 45_000,
    about: 'How long nothing may be heard of a process before others take its tasks. Brokers have bounds for it.',
  },
  {
    key: 'kafka_brokers',
    variable: 'KAFKA_BROKERS',
    schema: Type.String({ minLength: 1 }),
    default: null,
    about: 'Some brokers of the cluster, host:port, with commas between them.',
  },
  {
    key: 'kafka_client',
    variable: 'KAFKA_CLIENT',
    schema: Type.Enum(['platformatic', 'kafkajs']),
    default: 'platformatic',
    about: 'The client library. kafkajs: at least once only.',
  },
  {
    key: 'kafka_client_id',
    variable: 'KAFKA_CLIENT_ID',
    schema: Type.String({ minLength: 1, maxLength: 200 }),
    default: 'waggle',
    about: 'What this process is called in the brokers’ logs, metrics and quotas.',
  },
  {
    key: 'kafka_ssl',
    variable: 'KAFKA_SSL',
    schema: Type.Enum(['off', 'on']),
    default: 'off',
    about: 'on: TLS to the brokers. A ca, cert or key turns it on by itself.',
  },
  text('kafka_ssl_ca', 'KAFKA_SSL_CA', 'File (PEM) with the authorities that vouch for the brokers. Without it those of Node.'),
  text('kafka_ssl_cert', 'KAFKA_SSL_CERT', 'File (PEM) with the certificate of this process, where brokers ask for one.'),
  text('kafka_ssl_key', 'KAFKA_SSL_KEY', 'File (PEM) with the key of that certificate.'),
  {
    key: 'kafka_sasl_mechanism',
    variable: 'KAFKA_SASL_MECHANISM',
    schema: Type.Enum(['plain', 'scram-sha-256', 'scram-sha-512', 'oauthbearer']),
    default: null,
    about: 'How this process signs in. Without it it does not.',
  },
  text('kafka_sasl_username', 'KAFKA_SASL_USERNAME', 'For plain and scram.'),
  { ...text('kafka_sasl_password', 'KAFKA_SASL_PASSWORD', 'For plain and scram.'), isSecret: true },
  { ...text('kafka_sasl_token', 'KAFKA_SASL_TOKEN', 'For oauthbearer: a token that does not run out.'), isSecret: true },
  {
    ...text('kafka_sasl_token_command', 'KAFKA_SASL_TOKEN_COMMAND', 'For oauthbearer: a command that prints a token, run for each connection.'),
    isSecret: true,
  },
]

function text(key: Setting['key'], variable: string, about: string): Setting {
  return { key, variable, schema: Type.String({ minLength: 1 }), default: null, about }
}
