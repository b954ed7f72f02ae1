import type { Clock } from '../../../processor/ports.ts'
import type { LateModel, ModelServers, ServerModel, ServerModelOptions } from '../../../topology/swarm/ports/model-servers.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { pause } from '../../system/pause.ts'
import { pictureInputOf } from '../picture-input.ts'
import { rowLayoutOf } from '../row-layout.ts'
import { calledSignature } from './called-signature.ts'
import { GrpcClient } from './grpc-client.ts'
import { HttpClient } from './http-client.ts'
import { ServerHosts } from './server-hosts.ts'
import { servingAddress } from './serving-address.ts'
import { ServingCalls } from './serving-calls.ts'
import type { ServingClient } from './serving-client.ts'
import { failureAsError, ServingModel } from './serving-model.ts'
import { readTls } from './serving-tls.ts'

export interface TensorFlowServingOptions {
  readonly clock: Clock
  /** The servers that may be called. Default: only servers on this machine. */
  readonly hosts?: ServerHosts
  /** The time limit for opening a connection, in ms. Default: 3 s. */
  readonly connectMs?: number
  /** The time limit for the metadata, in ms. Default: 10 s. */
  readonly metadataMs?: number
  /** While a server is unreachable: the time, counted from the beginning of the outage, for which calls wait for the server, in ms. Default: 5 s. */
  readonly patienceMs?: number
}

/** Models on TensorFlow Serving, over HTTP or gRPC. */
export class TensorFlowServing implements ModelServers {
  readonly #options: Required<TensorFlowServingOptions>

  constructor({ clock, hosts = new ServerHosts(null), connectMs = 3000, metadataMs = 10_000, patienceMs = 5000 }: TensorFlowServingOptions) {
    this.#options = { clock, hosts, connectMs, metadataMs, patienceMs }
  }

  open(options: ServerModelOptions): Promise<ServerModel> {
    return this.#open(options, neverAborted)
  }

  async #open(options: ServerModelOptions, closing: AbortSignal): Promise<ServerModel> {
    const { clock, hosts, connectMs, metadataMs, patienceMs } = this.#options
    const { url, version, signature = 'serving_default', tls, fit, output } = options
    const address = servingAddress(url, version)
    hosts.check(address)
    const common = {
      address,
      signature,
      tls: await readTls(tls, address),
      hosts,
      connectMs,
      after: (delayMs: number, callback: () => void) => clock.after(delayMs, callback),
    }
    const client: ServingClient = address.protocol === 'http' || address.protocol === 'https' ? new HttpClient(common) : new GrpcClient(common)
    const limit = new AbortController()
    const cancelTimer = clock.after(metadataMs, () => limit.abort())
    try {
      const metadata = await client.metadata({ signal: AbortSignal.any([limit.signal, closing]), deadline: clock.now() + metadataMs, trace: {} })
      const called = calledSignature(address, metadata, signature, output)
      const layout = rowLayoutOf(called.inputs, called.outputs)
      const picture = pictureInputOf(address.shown, layout.inputs, fit)
      return new ServingModel({ address, client, calls: new ServingCalls({ clock, patienceMs }), called, layout, picture })
    } catch (thrown) {
      client.close()
      const error = failureAsError(thrown, address)
      // If a server sends no metadata within the limit, it counts as unreachable.
      if (error instanceof WaggleError && error.code === 'WAGGLE_DEADLINE') throw new WaggleError('WAGGLE_MODEL_SERVER_AWAY', error)
      throw error
    } finally {
      cancelTimer()
    }
  }

  openLater(options: ServerModelOptions): LateModel {
    const { clock, patienceMs } = this.#options
    const closing = new AbortController()
    const patience = new AbortController()
    const cancelTimer = clock.after(patienceMs, () => patience.abort())
    let last: unknown = new WaggleError('WAGGLE_MODEL_SERVER_AWAY', {
      message: `${options.url} is not open yet`,
      next: 'Wait: Waggle calls the server again.',
    })
    let open: ServerModel | null = null
    const opened = (async () => {
      for (let pauseMs = firstPauseMs; !closing.signal.aborted; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
        await pause(clock, pauseMs, closing.signal).catch(() => {})
        if (closing.signal.aborted) return null
        try {
          open = await this.#open(options, closing.signal)
          options.log('info', `${options.url} answers now`)
          return open
        } catch (thrown) {
          if (closing.signal.aborted) return null
          last = thrown
          if (thrown instanceof WaggleError) options.log('error', `${thrown.message} (${thrown.code}). It is asked again. ${thrown.next}`)
        }
      }
      return null
    })()
    // All calls share this promise. If each call added listeners, the listeners would fill the memory while the server is unreachable.
    const waited = Promise.race([opened, aborted(patience.signal), aborted(closing.signal)])
    return {
      opened,
      async get() {
        if (open === null) await waited
        if (open === null) throw last
        return open
      },
      async close() {
        cancelTimer()
        closing.abort()
        await opened
        await open?.close()
      },
    }
  }
}

const neverAborted = new AbortController().signal
const firstPauseMs = 500
const longestPauseMs = 30_000

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
