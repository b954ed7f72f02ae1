import type { AnsweredRequest } from '../../connectors/gateway/http/http-gateway.ts'
import { Histogram } from '../../processor/metrics/histogram.ts'
import type { Clock } from '../../processor/ports.ts'
import { histogramSamples } from './bee-families.ts'
import type { Exemplar, Family, Labels } from './exposition.ts'
import { family } from './metric-table.ts'

/** Counts and durations of the requests at this process's gateways. */
export class RequestMeters {
  readonly #clock: Pick<Clock, 'now'>
  readonly #counts = new Map<string, { readonly labels: Labels; count: number }>()
  readonly #durations = new Map<string, Durations>()

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock
  }

  /** Adds a request. The name of an unknown gateway is left out, because callers can invent any number of names. */
  answered({ gateway, call, status, durationMs, traceId }: AnsweredRequest): void {
    const labels = { gateway: gateway ?? '', call }
    const name = `${labels.gateway}/${call}`
    const counted = this.#counts.get(`${name}/${status}`) ?? { labels: { ...labels, status: String(status) }, count: 0 }
    this.#counts.set(`${name}/${status}`, counted)
    counted.count++
    const timed = this.#durations.get(name) ?? { labels, histogram: new Histogram(boundsSeconds), exemplars: [] }
    this.#durations.set(name, timed)
    const seconds = durationMs / 1000
    const at = timed.histogram.observe(seconds)
    if (traceId !== null) timed.exemplars[at] = { traceId, value: seconds, at: this.#clock.now() }
  }

  get families(): readonly Family[] {
    return [
      family(
        'waggle_gateway_requests_total',
        [...this.#counts.values()].map(({ labels, count }) => ({ labels, value: count })),
      ),
      family(
        'waggle_gateway_request_duration_seconds',
        [...this.#durations.values()].flatMap(({ labels, histogram, exemplars }) => histogramSamples(labels, histogram, exemplars)),
      ),
    ]
  }
}

interface Durations {
  readonly labels: Labels
  readonly histogram: Histogram
  /** For each bucket, the last request whose trace is known. */
  readonly exemplars: Exemplar[]
}

const boundsSeconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
