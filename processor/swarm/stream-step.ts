import type { FailureListener } from '../../topology/failed-record.ts'
import type { Topology } from '../../topology/graph.ts'
import type { TransformOutput } from '../../topology/operators/transform.ts'
import { Produced } from '../../topology/produced.ts'
import { type Record, type RecordMetadata, textHeader } from '../../topology/record.ts'
import { Serdes } from '../../topology/serdes.ts'
import { type KStream, Stream } from '../../topology/streams/kstream.ts'
import { Named } from '../../topology/streams/options.ts'
import { StreamsBuilder } from '../../topology/streams/streams-builder.ts'
import { StreamsGraph } from '../../topology/streams/streams-graph.ts'
import type { StreamBee } from '../../topology/swarm/bee-host.ts'
import type { SwarmBee } from '../../topology/swarm/checked-swarm.ts'
import { beeValueSerde } from '../../topology/swarm/payload/bee-value-serde.ts'
import type { Payload } from '../../topology/swarm/payload/payload.ts'
import { beeError, isFailure } from '../../topology/swarm/request/bee-error.ts'
import { deadLetter } from '../../topology/swarm/request/dead-letter.ts'
import { requestIdHeader, streamBeeHeader } from '../../topology/swarm/request/headers.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { failedAt } from './failed-at.ts'
import { outputRecord, synchronousCall } from './output-record.ts'

export interface StreamStepOptions {
  readonly bee: SwarmBee
  readonly made: StreamBee
  /** The node that gives the bee its input. */
  readonly parent: string
  /** The topic of the bee's output. */
  readonly topic: string
  readonly written: Produced<string, Payload>
  readonly children: readonly string[]
  /** True if another bee reads this bee. */
  readonly isRead: boolean
  readonly deadLetters: string
  readonly onFailure: FailureListener
  readonly onOutput?: (bee: string, output: Payload) => void
}

/**
 * Adds the nodes of a bee that is written with the DSL. A branch takes error records straight to the bee's topic. One node turns payloads into
 * inputs. The bee's own steps follow. A last node with the bee's name turns results into payloads. The generated names of the bee's steps begin with
 * its name, so adding or removing another bee does not renumber them.
 */
export function addStreamStep(topology: Topology, options: StreamStepOptions): void {
  const { bee, made, parent, topic, written, isRead } = options
  const graph = new StreamsGraph(`${bee.name}.`)
  graph.add({ output: parent, inputs: [], write: () => {} })
  const root = new Stream<string, Payload>({ graph, output: parent, key: Serdes.string(), value: null, mustRepartition: false })
  const named = (step: string) => Named.as(`${bee.name}.${step}`)
  const payloads: KStream<string, Payload> = root
  payloads
    .filter((_, payload) => payload.kind === 'error', named('errors'))
    .to(topic, Produced.with(written.key as never, written.value as never, { name: `${bee.name}.errors-sink` }))
  const input = new Stream<string, unknown>({ ...inputNode(root, bee.name, made), key: Serdes.string(), value: beeValueSerde as never })
  const output: unknown = made.connect(input, new StreamsBuilder(graph))
  if (output !== null && !(output instanceof Stream))
    throw new WaggleError('WAGGLE_INVALID_BEE', {
      message: `connect of ${bee.name} returns ${output === undefined ? 'nothing' : `a ${typeof output}`}`,
      next: 'Return a KStream that is keyed by request id, or null for a bee without output.',
    })
  if (output === null && isRead)
    throw new WaggleError('WAGGLE_INVALID_BEE', {
      message: `connect of ${bee.name} returns null, and other bees read ${bee.name}`,
      next: 'Return a KStream that is keyed by request id, or let no other bee read this bee.',
    })
  const last = output === null ? input : output
  last.parts.graph.refuseStranger(graph)
  const apply = output === null ? () => [] : outputOf(options)
  graph.add({
    output: bee.name,
    inputs: [last.parts.output],
    write: (written) => written.addOperator(bee.name, { op: 'transform', apply }, [last.parts.output]),
  })
  graph.writeTo(topology)
  // The call throws if an asynchronous step comes after a step with state.
  topology.subtopologies()
}

/** The step that turns payloads into inputs. The step notes the request and the bee in the headers, because the bee may change the key. */
function inputNode(root: Stream<string, Payload>, bee: string, { inputOf }: StreamBee) {
  const { graph, output: parent } = root.parts
  const output = `${bee}.input`
  const mark = textHeader(streamBeeHeader, bee)
  graph.add({
    output,
    inputs: [parent],
    write: (topology) =>
      topology.addOperator(
        output,
        {
          op: 'each',
          each(given, forward) {
            const record = given as Record<string, Payload>
            if (record.value.kind === 'error') return
            const headers = [...record.headers.filter(({ key }) => !ownHeaders.has(key)), textHeader(requestIdHeader, record.key), mark]
            forward({ ...record, value: inputOf(record.value), headers })
          },
        },
        [parent],
      ),
  })
  return { graph, output, mustRepartition: false }
}

const ownHeaders: ReadonlySet<string> = new Set([requestIdHeader, streamBeeHeader])

/** Turns the bee's results into payloads. A result that cannot be passed on becomes an error record and a dead letter. A null value is no result. */
function outputOf({ bee, made, children, deadLetters, onFailure, onOutput }: StreamStepOptions) {
  return (given: Record<unknown, unknown>, place: RecordMetadata | null, now: number, taskId: string): readonly TransformOutput[] => {
    if (given.value === null) return []
    const { key } = given
    if (typeof key !== 'string')
      throw new WaggleError('WAGGLE_BEE_OUTPUT', {
        message: `${bee.name} gave a result whose key is not a request id but ${key === null ? 'null' : `a ${typeof key}`}`,
        next: 'Keep the request id in the value, and make it the key again at the end: .map((key, value) => [value.requestId, value]).',
      })
    const record = { ...given, key, headers: given.headers.filter((header) => header.key !== streamBeeHeader) }
    try {
      const payload = made.payloadOf(given.value)
      onOutput?.(bee.name, payload)
      return children.map((child) => ({ record: outputRecord({ ...record, value: payload }, payload, synchronousCall(now)), child }))
    } catch (thrown) {
      const cause = WaggleError.from('WAGGLE_BEE_OUTPUT', thrown, { next: `Correct the result of ${bee.name}.` })
      const error = beeError(cause, bee.name)
      const failed: Record<string, Payload> = { ...record, value: { kind: 'json', json: null } }
      onFailure(cause, failedAt(failed, bee.name, taskId, place))
      const letters = isFailure(error.error) ? [{ record: deadLetter(failed, cause, bee.name, { recordMetadata: place }), child: deadLetters }] : []
      return [...letters, ...children.map((child) => ({ record: outputRecord(failed, error, null), child }))]
    }
  }
}
