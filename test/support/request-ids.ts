import { RequestIds, type RequestIdsOptions } from '../../connectors/gateway/request-ids.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'

/** Request ids of the system's clock. The secret has only zeros unless the options name another one. */
export function requestIds(options: Partial<RequestIdsOptions> = {}): RequestIds {
  return new RequestIds({ clock: systemClock, random: new SystemRandom(), secret: new Uint8Array(32), ...options })
}
