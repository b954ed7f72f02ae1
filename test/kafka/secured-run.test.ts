import { it } from 'node:test'
import { BrokerCertificates } from '../support/broker-certificates.ts'
import { clientCertificateFlips, signInFlips, user } from '../support/flipped/secured.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { signInSettings } from '../support/sign-in-settings.ts'

const forSignIn = new BrokerCertificates()
const forClients = new BrokerCertificates()
const settings = () => ({ ...forSignIn.brokerSettings(), ...signInSettings(`user_${user.name}="${user.password}"`) })

describeWithKafka('waggle run over TLS and signed in', { clientListener: 'SASL_SSL', settings, scramUsers: [user] }, (cluster) => {
  for (const [key, flip] of Object.entries(signInFlips)) it(`${key} decides whether waggle run reaches its brokers`, () => flip(cluster(), forSignIn))
})

describeWithKafka(
  'waggle run with a client’s certificate',
  { clientListener: 'SSL', settings: () => forClients.brokerSettingsForClients() },
  (cluster) => {
    for (const [key, flip] of Object.entries(clientCertificateFlips))
      it(`${key} decides whether waggle run reaches its brokers`, () => flip(cluster(), forClients))
  },
)
