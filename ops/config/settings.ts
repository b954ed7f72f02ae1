import { type TSchema, Type } from 'typebox'
import { mostPayloadBytes } from '../../topology/swarm/payload/claim-codec.ts'
import type { PlanSettings } from '../../topology/swarm/plan/plan.ts'
import { kafkaSettings } from './kafka-settings.ts'

/** All settings. Each setting has a key in waggle.yaml and an environment variable. If both are set, the variable counts. */
export interface Settings {
  readonly http_port: number
  readonly grpc_port: number | null
  readonly host: string
  readonly hosts: string | null
  readonly tls_cert: string | null
  readonly tls_key: string | null
  readonly tls_client_ca: string | null
  readonly tokens: string | null
  readonly tokens_file: string | null
  readonly oidc_issuer: string | null
  readonly oidc_audience: string | null
  readonly oidc_jwks_url: string | null
  readonly oidc_hosts: string | null
  readonly oidc_algorithms: string
  readonly oidc_token_types: string
  readonly oidc_scopes_claim: string
  readonly oidc_scopes: string | null
  readonly oidc_clock_skew_seconds: number
  readonly cors_origins: string | null
  readonly max_connections: number | null
  readonly data_dir: string
  readonly log: 'embedded' | 'kafka'
  readonly log_level: string
  readonly log_format: 'auto' | 'text' | 'json'
  readonly dev: 0 | 1
  readonly model_hosts: string | null
  readonly model_cache_bytes: number
  readonly model_memory_bytes: number | null
  readonly http_call_hosts: string | null
  readonly postgres_hosts: string | null
  readonly image_hosts: string | null
  readonly python_requirements: 'packages' | 'anything'
  readonly secrets_dir: string | null
  readonly secrets_key: string | null
  readonly secrets_key_file: string | null
  readonly clickhouse_url: string | null
  readonly clickhouse_port: number
  readonly schema_registry_url: string | null
  readonly gpu: 'prefer' | 'require'
  readonly gpus: number | null
  readonly bees: string | null
  readonly model_threads: number | null
  readonly partitions: number
  readonly request_timeout_seconds: number
  readonly answers_retention_seconds: number
  readonly retention_seconds: number
  readonly retention_bytes: number | null
  readonly log_max_bytes: number | null
  readonly duplicate_retention_seconds: number
  readonly max_body_bytes: number
  readonly claim_store: string | null
  readonly claim_store_max_bytes: number | null
  readonly max_inline_bytes: number
  readonly max_requests_in_flight: number
  readonly requests_at_work: number | null
  readonly rate_limit_per_second: number | null
  readonly caller_rate_per_second: number | null
  readonly caller_requests_in_flight: number | null
  readonly shutdown_seconds: number
  readonly reply_topics: string | null
  readonly processing: 'at_least_once' | 'exactly_once'
  readonly commit_interval_ms: number
  readonly linger_ms: number
  readonly replication_factor: number | null
  readonly answer_partitions: number
  readonly instance: string | null
  readonly session_timeout_ms: number
  readonly kafka_brokers: string | null
  readonly kafka_client: 'platformatic' | 'kafkajs'
  readonly kafka_client_id: string
  readonly kafka_ssl: 'off' | 'on'
  readonly kafka_ssl_ca: string | null
  readonly kafka_ssl_cert: string | null
  readonly kafka_ssl_key: string | null
  readonly kafka_sasl_mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512' | 'oauthbearer' | null
  readonly kafka_sasl_username: string | null
  readonly kafka_sasl_password: string | null
  readonly kafka_sasl_token: string | null
  readonly kafka_sasl_token_command: string | null
}

export interface Setting {
  readonly key: keyof Settings
  readonly variable: string
  readonly schema: TSchema
  readonly default: string | number | null
  /** The default on a Kafka cluster, if it differs from `default`. */
  readonly defaultOnKafka?: string | null
  /** True if a running process takes a new value at SIGHUP. */
  readonly reloads?: true
  /** True if the value must not be shown anywhere. */
  readonly isSecret?: true
  readonly about: string
}

export const settings: readonly Setting[] = [
  { key: 'http_port', variable: 'WAGGLE_HTTP_PORT', schema: port(), default: 8080, about: 'Port of the gateway. 0: any free one.' },
  {
    key: 'grpc_port',
    variable: 'WAGGLE_GRPC_PORT',
    schema: port(),
    default: null,
    about:
      'Port of the gateway’s gRPC services. 0: any free one. Without it the port above http_port (8081), or any free one where http_port is 0; where another program has that port, a warning and no gRPC.',
  },
  {
    key: 'host',
    variable: 'WAGGLE_HOST',
    schema: Type.String({ minLength: 1 }),
    default: '127.0.0.1',
    about: 'Address to listen on. Beyond loopback it needs tokens.',
  },
  {
    key: 'hosts',
    variable: 'WAGGLE_HOSTS',
    schema: Type.String({ minLength: 1 }),
    default: null,
    about: 'Names of this server beside the loopback ones, such as those of a proxy, with commas between them: name, or name:port. Others get 421.',
  },
  {
    key: 'tls_cert',
    variable: 'WAGGLE_TLS_CERT',
    schema: Type.String({ minLength: 1 }),
    default: null,
    about: 'File (PEM) with the certificate of this server: it then speaks HTTPS. A changed file counts for new connections within seconds.',
  },
  {
    key: 'tls_key',
    variable: 'WAGGLE_TLS_KEY',
    schema: Type.String({ minLength: 1 }),
    default: null,
    about: 'File (PEM) with the key of that certificate.',
  },
  {
    key: 'tls_client_ca',
    variable: 'WAGGLE_TLS_CLIENT_CA',
    schema: Type.String({ minLength: 1 }),
    default: null,
    about: 'File (PEM) with the authorities of clients. With it, a client needs a certificate beside its token.',
  },
  {
    key: 'tokens',
    variable: 'WAGGLE_TOKENS',
    schema: Type.String({ minLength: 1 }),
    default: null,
    reloads: true,
    isSecret: true,
    about:
      'Bearer tokens: NAME=SECRET:SCOPE,SCOPE, several with ; between them. Scopes are ask:GATEWAY, ask:*, read and manage; sha256-HEX in place of a secret is its hash. With a token, every caller needs one.',
  },
  {
    key: 'tokens_file',
    variable: 'WAGGLE_TOKENS_FILE',
    schema: Type.String({ minLength: 1 }),
    default: null,
    reloads: true,
    about: 'A file with more tokens, one a line, as in WAGGLE_TOKENS.',
  },
  {
    key: 'oidc_issuer',
    variable: 'WAGGLE_OIDC_ISSUER',
    schema: Type.String({ minLength: 1 }),
    default: null,
    reloads: true,
    about:
      'Address of an OpenID Connect provider whose tokens (JWT) callers may send, beside those of WAGGLE_TOKENS. With it, every caller needs a token.',
  },
  {
    key: 'oidc_audience',
    variable: 'WAGGLE_OIDC_AUDIENCE',
    schema: Type.String({ minLength: 1 }),
    default: null,
    reloads: true,
    about: 'Audience (aud) that a token of the provider must have: the name of this server there.',
  },
  {
    key: 'oidc_jwks_url',
    variable: 'WAGGLE_OIDC_JWKS_URL',
    schema: Type.String({ minLength: 1 }),
    default: null,
    reloads: true,
    about: 'Address of the provider’s public keys. Without it: as /.well-known/openid-configuration below the issuer says.',
  },
  {
    key: 'oidc_hosts',
    variable: 'WAGGLE_OIDC_HOSTS',
    schema: Type.String({ minLength: 1 }),
    default: null,
    reloads: true,
    about:
      'Servers that Waggle may ask for the provider’s document and keys, written as in WAGGLE_MODEL_HOSTS. Without it: those of the two addresses.',
  },
  {
    key: 'oidc_algorithms',
    variable: 'WAGGLE_OIDC_ALGORITHMS',
    schema: Type.String({ minLength: 1 }),
    default: 'RS256,PS256,ES256,EdDSA',
    reloads: true,
    about: 'Signature algorithms that the provider’s tokens may have, with commas between them. None of them can be symmetric.',
  },
  {
    key: 'oidc_token_types',
    variable: 'WAGGLE_OIDC_TOKEN_TYPES',
    schema: Type.String({ minLength: 1 }),
    default: 'at+jwt,JWT,none',
    reloads: true,
    about: 'Types (typ) that the provider’s tokens may have, with commas between them; none: a token without a type. at+jwt alone is the strictest.',
  },
  {
    key: 'oidc_scopes_claim',
    variable: 'WAGGLE_OIDC_SCOPES_CLAIM',
    schema: Type.String({ minLength: 1, maxLength: 200 }),
    default: 'scope',
    reloads: true,
    about: 'Claim of the provider’s tokens that has their scopes: words, or a list. A path with dots is possible, as in realm_access.roles.',
  },
  {
    key: 'oidc_scopes',
    variable: 'WAGGLE_OIDC_SCOPES',
    schema: Type.String({ minLength: 1 }),
    default: null,
    reloads: true,
    about:
      'Scopes for the values of that claim: VALUE=SCOPE,SCOPE, several with ; between them, and priority:N as in WAGGLE_TOKENS. Without it a value that is a scope counts as it is.',
  },
  {
    key: 'oidc_clock_skew_seconds',
    variable: 'WAGGLE_OIDC_CLOCK_SKEW_SECONDS',
    schema: integer(0, 300),
    default: 30,
    reloads: true,
    about: 'How far the clocks of the provider and of this machine may be apart.',
  },
  {
    key: 'cors_origins',
    variable: 'WAGGLE_CORS_ORIGINS',
    schema: Type.String({ minLength: 1 }),
    default: null,
    about:
      'Web pages that may ask gateways from a browser: their origins, as in https://shop.example, with commas between them. Without it no page of another site may. Operators’ routes stay closed to all of them.',
  },
  {
    key: 'max_connections',
    variable: 'WAGGLE_MAX_CONNECTIONS',
    schema: integer(1, 1_000_000),
    default: null,
    about: 'Connections to the gateway at once. Without it: half of the files that the process may open, at most 5,000.',
  },
  {
    key: 'data_dir',
    variable: 'WAGGLE_DATA_DIR',
    schema: Type.String({ minLength: 1 }),
    default: '.waggle',
    about: 'Where the log, the stores and the embedded ClickHouse keep their data.',
  },
  {
    key: 'log',
    variable: 'WAGGLE_LOG',
    schema: Type.Enum(['embedded', 'kafka']),
    default: 'embedded',
    about: 'Which log to run on: kafka needs KAFKA_BROKERS.',
  },
  {
    key: 'log_level',
    variable: 'WAGGLE_LOG_LEVEL',
    schema: Type.String(),
    default: 'info',
    reloads: true,
    about: 'Least level of the lines in this process’s log: debug, info, warn or error; one module’s as module=level, several with commas.',
  },
  {
    key: 'log_format',
    variable: 'WAGGLE_LOG_FORMAT',
    schema: Type.Enum(['auto', 'text', 'json']),
    default: 'auto',
    about: 'Form of this process’s log on standard error. auto: text on a terminal, and JSON, a line an event, where it is piped or goes to a file.',
  },
  {
    key: 'dev',
    variable: 'WAGGLE_DEV',
    schema: integer(0, 1),
    default: 0,
    about: '1 for development: a change of a Python bee’s file starts it anew, and requests go on.',
  },
  {
    key: 'model_hosts',
    variable: 'WAGGLE_MODEL_HOSTS',
    schema: Type.String({ minLength: 1 }),
    default: null,
    about:
      'Servers that models may come from, and TensorFlow Servings beyond this machine, with commas between them: name, or name:port. A name stands for public addresses; add an address or a network (10.0.0.0/8) for others.',
  },
  {
    key: 'model_cache_bytes',
    variable: 'WAGGLE_MODEL_CACHE_BYTES',
    schema: integer(1, Number.MAX_SAFE_INTEGER),
    default: 20 * 1024 * 1024 * 1024,
    about: 'Bytes that fetched models may take in the data directory. Past it those go that were used longest ago, and none in use.',
  },
  {
    key: 'model_memory_bytes',
    variable: 'WAGGLE_MODEL_MEMORY_BYTES',
    schema: integer(1, Number.MAX_SAFE_INTEGER),
    default: null,
    about:
      'Bytes of memory that a model may take while it is loaded. A larger one is refused. Without it as many as the machine or the container has left.',
  },
  {
    key: 'http_call_hosts',
    variable: 'WAGGLE_HTTP_CALL_HOSTS',
    schema: Type.String({ minLength: 1 }),
    default: null,
    about: 'Servers that http-call bees may call, written as in WAGGLE_MODEL_HOSTS. Without it: this machine alone.',
  },
  {
    key: 'postgres_hosts',
    variable: 'WAGGLE_POSTGRES_HOSTS',
    schema: Type.String({ minLength: 1 }),
    default: null,
    about: 'Servers that postgres bees may connect to, written as in WAGGLE_MODEL_HOSTS. Without it: this machine alone, and its Unix sockets.',
  },
  {
    key: 'image_hosts',
    variable: 'WAGGLE_IMAGE_HOSTS',
    schema: Type.String({ minLength: 1 }),
    default: null,
    about:
      'Registries from which the images of bees may be pulled, written as in WAGGLE_MODEL_HOSTS; docker.io is Docker Hub. Without it: docker.io, ghcr.io, quay.io, gcr.io, registry.k8s.io, registry.gitlab.com, mcr.microsoft.com, public.ecr.aws and nvcr.io. An image that Docker has already is not pulled.',
  },
  {
    key: 'python_requirements',
    variable: 'WAGGLE_PYTHON_REQUIREMENTS',
    schema: Type.Enum(['packages', 'anything']),
    default: 'packages',
    about:
      'packages: the requirements of Python bees may name packages of the index that pip or uv is configured with. anything: also other indexes, addresses, paths and options.',
  },
  {
    key: 'secrets_dir',
    variable: 'WAGGLE_SECRETS_DIR',
    schema: Type.String({ minLength: 1 }),
    default: null,
    about: 'A folder with a file for each secret, as Docker and Kubernetes mount them. A variable WAGGLE_SECRET_<NAME> wins over the file NAME.',
  },
  {
    key: 'secrets_key',
    variable: 'WAGGLE_SECRETS_KEY',
    schema: Type.String({ minLength: 1 }),
    default: null,
    isSecret: true,
    about:
      'Key that encrypts the secrets of `waggle secrets set`: 32 bytes in base64 or hexadecimal. Several with commas: the first encrypts, all decrypt.',
  },
  {
    key: 'secrets_key_file',
    variable: 'WAGGLE_SECRETS_KEY_FILE',
    schema: Type.String({ minLength: 1 }),
    default: null,
    about: 'A file with such keys, one a line, the newest first.',
  },
  {
    key: 'clickhouse_url',
    variable: 'CLICKHOUSE_URL',
    schema: Type.String({ pattern: '^https?://' }),
    default: null,
    about: 'A ClickHouse server. Without it an embedded one is started.',
  },
  {
    key: 'clickhouse_port',
    variable: 'WAGGLE_CLICKHOUSE_PORT',
    schema: port(),
    default: 8123,
    about: 'Where the embedded ClickHouse listens. 0: any free port.',
  },
  {
    key: 'schema_registry_url',
    variable: 'SCHEMA_REGISTRY_URL',
    schema: Type.String({ pattern: '^https?://' }),
    default: null,
    about: 'A schema registry with Confluent’s API, with its whole path. With it predictions are Avro, without it JSON.',
  },
  {
    key: 'gpu',
    variable: 'WAGGLE_GPU',
    schema: Type.Enum(['prefer', 'require']),
    default: 'prefer',
    defaultOnKafka: 'require',
    about: 'prefer: a bee that asks for a GPU runs on the CPU where there is none. require: it fails to start, or on Kafka runs where one is.',
  },
  {
    key: 'gpus',
    variable: 'WAGGLE_GPUS',
    schema: integer(0, 1024),
    default: null,
    about: 'On Kafka: GPUs that this process has for bees. Without it as many as the machine shows (/dev/nvidia0 and on).',
  },
  {
    key: 'bees',
    variable: 'WAGGLE_BEES',
    schema: Type.String({ pattern: '^[a-z][a-z0-9-]*(/[a-z][a-z0-9-]*)?(,[a-z][a-z0-9-]*(/[a-z][a-z0-9-]*)?)*$' }),
    default: null,
    about:
      'On Kafka: the only models, modules and programs that this process runs, BEE or SWARM/BEE, with commas between them. Other processes run the rest.',
  },
  {
    key: 'model_threads',
    variable: 'WAGGLE_MODEL_THREADS',
    schema: integer(1, 1024),
    default: null,
    about: 'Threads that compute one run of an ONNX or translated model together. Without it the cores divided by the models of the process.',
  },
  { key: 'partitions', variable: 'WAGGLE_PARTITIONS', schema: integer(1, 1024), default: 4, about: 'Partitions of a swarm’s topics.' },
  {
    key: 'request_timeout_seconds',
    variable: 'WAGGLE_REQUEST_TIMEOUT_SECONDS',
    schema: Type.Number({ exclusiveMinimum: 0, maximum: 86_400 }),
    default: 30,
    about: 'Deadline of a request that brings no X-Timeout-Seconds.',
  },
  {
    key: 'answers_retention_seconds',
    variable: 'WAGGLE_ANSWERS_RETENTION_SECONDS',
    schema: integer(1, 31_536_000),
    default: 86_400,
    about: 'How long answers are kept and idempotency keys known.',
  },
  {
    key: 'retention_seconds',
    variable: 'WAGGLE_RETENTION_SECONDS',
    schema: integer(1, 315_360_000),
    default: 86_400,
    about: 'How long records stay in a swarm’s topics, also those that exist. On the embedded log what a reader has not read stays longer.',
  },
  {
    key: 'retention_bytes',
    variable: 'WAGGLE_RETENTION_BYTES',
    schema: integer(1024 * 1024, Number.MAX_SAFE_INTEGER),
    default: 1024 * 1024 * 1024,
    defaultOnKafka: null,
    about:
      'Bytes that the records of each of a swarm’s topics may take; then the oldest go. The embedded log keeps what a reader has not read; Kafka does not, so there the default is no limit.',
  },
  {
    key: 'log_max_bytes',
    variable: 'WAGGLE_LOG_MAX_BYTES',
    schema: integer(1024 * 1024, Number.MAX_SAFE_INTEGER),
    default: null,
    about: 'Bytes that the embedded log may take on the disk; past it, with a reader that is behind: 503. Without it four fifths of the disk.',
  },
  {
    key: 'duplicate_retention_seconds',
    variable: 'WAGGLE_DUPLICATE_RETENTION_SECONDS',
    schema: integer(1, 31_536_000),
    default: 3600,
    about: 'On a log that may repeat records: how long a join remembers what it has sent.',
  },
  {
    key: 'max_body_bytes',
    variable: 'WAGGLE_MAX_BODY_BYTES',
    schema: integer(1, mostPayloadBytes),
    default: 32 * 1024 * 1024,
    about: 'Largest body of a request.',
  },
  {
    key: 'claim_store',
    variable: 'WAGGLE_CLAIM_STORE',
    schema: Type.String({ minLength: 1 }),
    default: null,
    about:
      'Where inputs and results above WAGGLE_MAX_INLINE_BYTES are kept, so that the log has only a reference: s3://BUCKET/PREFIX, or data-directory where one process has the log. Without it they travel in the log.',
  },
  {
    key: 'claim_store_max_bytes',
    variable: 'WAGGLE_CLAIM_STORE_MAX_BYTES',
    schema: integer(1024 * 1024, Number.MAX_SAFE_INTEGER),
    default: null,
    about:
      'Bytes that large payloads may take in the data directory; past it: 503. Without it as many as leave a twentieth of the disk, or 1 GiB, free.',
  },
  {
    key: 'max_inline_bytes',
    variable: 'WAGGLE_MAX_INLINE_BYTES',
    schema: integer(1024, mostPayloadBytes),
    default: 512 * 1024,
    about: 'Largest payload that travels in the log where WAGGLE_CLAIM_STORE is set.',
  },
  {
    key: 'max_requests_in_flight',
    variable: 'WAGGLE_MAX_REQUESTS_IN_FLIGHT',
    schema: integer(1, 1_000_000),
    default: 1000,
    about: 'Requests that may wait for an answer; past it: 503. X-Priority below 9 gets 503 earlier, and 0 at 55 % of it.',
  },
  {
    key: 'requests_at_work',
    variable: 'WAGGLE_REQUESTS_AT_WORK',
    schema: integer(1, 1_000_000),
    default: null,
    about:
      'Requests of one gateway that its bees work on at once; the others wait in this process, and their callers take turns. Without it each goes to the bees as it comes.',
  },
  {
    key: 'rate_limit_per_second',
    variable: 'WAGGLE_RATE_LIMIT_PER_SECOND',
    schema: integer(1, 1_000_000),
    default: null,
    about: 'Requests a second that one address may send; past it: 429. Without it there is no limit.',
  },
  {
    key: 'caller_rate_per_second',
    variable: 'WAGGLE_CALLER_RATE_PER_SECOND',
    schema: integer(1, 1_000_000),
    default: null,
    reloads: true,
    about: 'Requests a second of one token to one gateway; past it: 429. Without tokens, of all callers together. Without it there is no limit.',
  },
  {
    key: 'caller_requests_in_flight',
    variable: 'WAGGLE_CALLER_REQUESTS_IN_FLIGHT',
    schema: integer(1, 1_000_000),
    default: null,
    reloads: true,
    about: 'Requests of one token to one gateway that may wait for an answer; past it: 429. Without it there is no limit.',
  },
  {
    key: 'shutdown_seconds',
    variable: 'WAGGLE_SHUTDOWN_SECONDS',
    schema: integer(0, 3600),
    default: 30,
    about: 'How long a stop waits for requests that were accepted.',
  },
  {
    key: 'reply_topics',
    variable: 'WAGGLE_REPLY_TOPICS',
    schema: Type.String({ minLength: 1 }),
    default: null,
    about: 'Topics that a record may name for its answer, with commas between them; a * at the end stands for any ending.',
  },
  ...kafkaSettings,
]

/** The settings that the planner needs. */
export function planSettingsOf({ log, partitions, retention_seconds, retention_bytes, answer_partitions }: Settings): PlanSettings {
  return {
    partitions,
    retentionMs: retention_seconds * 1000,
    retentionBytes: retention_bytes,
    answerPartitions: log === 'embedded' ? null : answer_partitions,
  }
}

/** The schema of waggle.yaml. */
export const configSchema: TSchema = Type.Object(
  {
    ...Object.fromEntries(settings.map(({ key, schema, about }) => [key, Type.Optional({ ...schema, description: about })])),
    resolve: Type.Optional(
      Type.Record(Type.String({ minLength: 1 }), Type.Unknown(), {
        description: 'What a swarm names, by longest prefix, to a path or a command (a list), relative to this file.',
      }),
    ),
  },
  { additionalProperties: false },
)

function port(): TSchema {
  return integer(0, 65_535)
}

function integer(minimum: number, maximum: number): TSchema {
  return Type.Integer({ minimum, maximum })
}
