import { DirectoryClaims } from '../../connectors/claims/directory-claims.ts'
import { PayloadClaims } from '../../connectors/claims/payload-claims.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import { ClaimedRequests } from '../../ops/requests/claimed-requests.ts'

/** A program whose process is killed when a payload is in the claim store, and before the record that names the payload is written. */
const [directory = ''] = process.argv.slice(2)
const store = await DirectoryClaims.open(directory, { random: new SystemRandom(), clock: systemClock, maxBytes: null })
const claims = new PayloadClaims({
  store,
  clock: systemClock,
  random: new SystemRandom(),
  maxInlineBytes: 10,
  lifetimeMs: 5_000,
  maxFetchedBytes: 100,
})
const die = () => {
  process.kill(process.pid, 'SIGKILL')
  return new Promise<never>(() => {})
}
const requests = new ClaimedRequests(
  { gateways: ['door'], refusal: () => null, submit: die, request: die, find: die },
  { claims, clock: systemClock },
)
const request = { gateway: 'door', id: 'one', contentType: 'image/x', deadline: null, bodyHash: '', traceparent: null }
await requests.submit({ ...request, body: new Uint8Array(1_000) })
