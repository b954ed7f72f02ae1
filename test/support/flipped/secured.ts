import assert from 'node:assert/strict'
import type { Settings } from '../../../ops/config/settings.ts'
import type { BrokerCertificates } from '../broker-certificates.ts'
import type { KafkaCluster } from '../kafka-cluster.ts'
import { unsignedToken } from '../sign-in-settings.ts'
import type { Env } from '../swarm-here.ts'
import { SwarmProcesses } from '../swarm-processes.ts'

export const user = { name: 'bees', password: 'honey' }

/**
 * Flips one setting of `waggle run` on a cluster with TLS. With the setting, a swarm answers. Without the setting, `waggle run` ends with an error.
 */
type SecuredFlip = (cluster: KafkaCluster, certificates: BrokerCertificates) => Promise<void>

const signIn = { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: user.name, KAFKA_SASL_PASSWORD: user.password }
const unreachable = /WAGGLE_LOG_UNREACHABLE/
const notPermitted = /WAGGLE_NOT_PERMITTED/

/** Flips on brokers whose clients sign in over TLS. */
export const signInFlips = {
  async kafka_ssl(cluster, { ca }) {
    const known = { ...signIn, NODE_EXTRA_CA_CERTS: ca }
    await answers(cluster, { ...known, KAFKA_SSL: 'on' })
    await refuses(cluster, { ...known, KAFKA_SSL: 'off' }, unreachable)
  },

  async kafka_ssl_ca(cluster, { ca }) {
    await answers(cluster, { ...signIn, KAFKA_SSL_CA: ca })
    await refuses(cluster, { ...signIn, KAFKA_SSL: 'on' }, unreachable)
  },

  async kafka_sasl_mechanism(cluster, { ca }) {
    const named = { ...signIn, KAFKA_SSL_CA: ca }
    await answers(cluster, { ...named, KAFKA_SASL_MECHANISM: 'scram-sha-256' })
    await answers(cluster, { ...named, KAFKA_SASL_MECHANISM: 'scram-sha-512', WAGGLE_PROCESSING: 'exactly_once' })
    await refuses(cluster, { KAFKA_SSL_CA: ca }, /WAGGLE_(LOG_UNREACHABLE|NOT_PERMITTED)/)
  },

  async kafka_sasl_username(cluster, { ca }) {
    await refuses(cluster, { ...signIn, KAFKA_SSL_CA: ca, KAFKA_SASL_USERNAME: 'wasps' }, notPermitted)
  },

  async kafka_sasl_password(cluster, { ca }) {
    await refuses(cluster, { ...signIn, KAFKA_SSL_CA: ca, KAFKA_SASL_PASSWORD: 'wax' }, notPermitted)
  },

  async kafka_sasl_token(cluster, { ca }) {
    const bearer = { KAFKA_SSL_CA: ca, KAFKA_SASL_MECHANISM: 'oauthbearer' }
    await answers(cluster, { ...bearer, KAFKA_SASL_TOKEN: unsignedToken(user.name) })
    await refuses(cluster, { ...bearer, KAFKA_SASL_TOKEN: 'no-token' }, notPermitted)
  },

  async kafka_sasl_token_command(cluster, { ca }) {
    const bearer = { KAFKA_SSL_CA: ca, KAFKA_SASL_MECHANISM: 'oauthbearer' }
    await answers(cluster, { ...bearer, KAFKA_SASL_TOKEN_COMMAND: `echo ${unsignedToken(user.name)}` })
    await refuses(cluster, { ...bearer, KAFKA_SASL_TOKEN_COMMAND: 'exit 1' }, notPermitted)
  },
} as const satisfies { readonly [key in keyof Settings]?: SecuredFlip }

/** Flips on brokers that accept only clients with a certificate. The certificate and its key belong together, so one test flips both. */
export const clientCertificateFlips = {
  async kafka_ssl_cert(cluster, { ca, clientCert, clientKey }) {
    await answers(cluster, { KAFKA_SSL_CA: ca, KAFKA_SSL_CERT: clientCert, KAFKA_SSL_KEY: clientKey })
    await refuses(cluster, { KAFKA_SSL_CA: ca }, unreachable)
  },

  async kafka_ssl_key(cluster, { ca, clientCert }) {
    await refuses(cluster, { KAFKA_SSL_CA: ca, KAFKA_SSL_CERT: clientCert }, /kafka_ssl_key is missing/)
    await refuses(cluster, { KAFKA_SSL_CA: ca, KAFKA_SSL_CERT: clientCert, KAFKA_SSL_KEY: ca }, /KAFKA_SSL_KEY/)
  },
} as const satisfies { readonly [key in keyof Settings]?: SecuredFlip }

/** Checks that `waggle run` with these settings answers a request, and stops in order. */
async function answers(cluster: KafkaCluster, env: Env): Promise<void> {
  const swarm = swarmOn(cluster, env)
  try {
    const program = await swarm.start('one')
    const response = await swarm.ask(program, { number: 1 })
    assert.deepEqual([response.status, await response.json()], [200, { number: 1 }])
    assert.equal(await program.stop(), 0, program.lastWords)
  } finally {
    await swarm.close()
  }
}

/** Checks that `waggle run` with these settings ends before it is ready, and gives the reason. */
async function refuses(cluster: KafkaCluster, env: Env, expected: RegExp): Promise<void> {
  const swarm = swarmOn(cluster, env)
  try {
    await assert.rejects(swarm.start('one'), expected)
  } finally {
    await swarm.close()
  }
}

function swarmOn({ brokers }: KafkaCluster, env: Env): SwarmProcesses {
  return new SwarmProcesses({
    bees: `  - {name: work, type: module, input: {name: entrance}, spec: {file: ./functions.mjs}}
  - {name: answer, type: respond, input: {name: work}}`,
    functions: 'export default ({ number }) => ({ number })\n',
    brokers,
    env: { WAGGLE_PARTITIONS: '2', ...env },
  })
}
