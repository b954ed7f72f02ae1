import type { ServerModel } from '../../../topology/swarm/ports/model-servers.ts'
import type { ModelCall, ModelResult, ModelRow, ModelSignature } from '../../../topology/swarm/ports/models.ts'
import { Refused, WaggleError } from '../../../topology/waggle-error.ts'
import { bytesOfRows, packRows } from '../packed-rows.ts'
import type { PictureInput } from '../picture-input.ts'
import type { RowLayout } from '../row-layout.ts'
import { RowRuns } from '../row-runs.ts'
import { resultsOf } from '../run-results.ts'
import { joined, partOf, rowsWithin } from './batch-parts.ts'
import type { CalledSignature } from './called-signature.ts'
import { DrawnRows } from './drawn-rows.ts'
import type { ServingAddress } from './serving-address.ts'
import type { ServingCalls } from './serving-calls.ts'
import { type CallLimit, type ExpectedOutput, maxCallBytes, type NamedTensors, type ServingClient } from './serving-client.ts'
import { ServingFailure } from './serving-failure.ts'

export interface ServingModelOptions {
  readonly address: ServingAddress
  readonly client: ServingClient
  readonly calls: ServingCalls
  readonly called: CalledSignature
  readonly layout: RowLayout
  readonly picture: PictureInput | null
}

/**
 * A model on a TensorFlow Serving. A batch is sent in one call. It is sent in several calls if it exceeds the server's own limit or `maxCallBytes`.
 */
export class ServingModel implements ServerModel {
  readonly #options: ServingModelOptions
  /** Runs that no call is using. A call must not use a run, with its tensors, that another call still uses. */
  readonly #free: Run[] = []
  /** The number of rows in the largest batch that the server accepts; infinite until the server reports a limit. */
  #batchLimit = Number.POSITIVE_INFINITY
  /** Draws pictures into tensors. Null for a model that takes no pictures. */
  readonly #drawn: DrawnRows | null
  readonly signature: ModelSignature
  readonly version: number | null
  readonly device: string
  readonly choice = null

  constructor(options: ServingModelOptions) {
    this.#options = options
    const { address, called, layout, picture } = options
    const [input] = layout.inputs
    this.#drawn = picture === null || input === undefined ? null : new DrawnRows(picture, input.datatype)
    this.signature = {
      inputs: called.inputs,
      outputs: called.outputs,
      rows: layout.inputs.map(({ isBatched: _, ...row }) => row),
      outputRows: layout.outputs,
      rowsPerRun: layout.rowsPerRun,
      takesPictures: picture !== null,
      classes: null,
      labels: null,
    }
    this.version = address.version
    this.device = `the TensorFlow Serving at ${address.shown}${called.version === null ? '' : `, version ${called.version}`}`
  }

  async run(
    rows: readonly ModelRow[],
    signal: AbortSignal,
    { deadline = null, trace = {} }: Partial<ModelCall> = {},
  ): Promise<readonly ModelResult[]> {
    const run = this.#free.pop() ?? this.#newRun()
    run.limit = { signal, deadline, trace }
    try {
      const drawn = (await this.#drawn?.of(rows)) ?? rows
      const buffer = new SharedArrayBuffer(bytesOfRows(drawn))
      const results = resultsOf(await run.runs.run({ call: 0, buffer, rows: packRows(drawn, buffer) }))
      // The tensors of a failed call may still be on their way to the server, so the run of a failed call is not used again.
      if (this.#free.length < 2) this.#free.push(run)
      return results
    } catch (thrown) {
      throw failureAsError(thrown, this.#options.address)
    }
  }

  async close(): Promise<void> {
    this.#options.client.close()
  }

  #newRun(): Run {
    const run: Run = {
      limit: { signal: neverAborted, deadline: null, trace: {} },
      runs: new RowRuns({ run: (inputs) => this.#outputsOf(inputs, run.limit) }, this.#options.layout, null),
    }
    return run
  }

  async #outputsOf(inputs: NamedTensors, limit: CallLimit): Promise<NamedTensors> {
    const { rowsPerRun } = this.#options.layout
    if (rowsPerRun !== null) return this.#call(inputs, rowsPerRun, limit)
    const rows = Object.values(inputs)[0]?.shape[0] ?? 0
    const parts: NamedTensors[] = []
    let from = 0
    while (from < rows) {
      const to = Math.min(rows, from + Math.min(this.#batchLimit, rowsWithin(maxCallBytes, inputs, rows)))
      try {
        parts.push(await this.#call(partOf(inputs, rows, from, to), to - from, limit))
        from = to
      } catch (thrown) {
        // If a batch exceeds the server's limit, the server refuses the batch before it computes any row. So the batch may be sent again in parts.
        if (!(thrown instanceof ServingFailure) || thrown.batchLimit === null || thrown.batchLimit >= to - from) throw thrown
        this.#batchLimit = thrown.batchLimit
      }
    }
    return joined(parts)
  }

  async #call(inputs: NamedTensors, rows: number, limit: CallLimit): Promise<NamedTensors> {
    const { calls, client, called, layout } = this.#options
    const answer = await calls.call((own) => client.predict(inputs, called.outputs, own), limit)
    for (const output of called.outputs) {
      const shape = answer[output.name]?.shape ?? []
      const wanted = layout.rowsPerRun === 1 ? output.shape : [rows, ...output.shape.slice(1)]
      if (shape.length !== wanted.length || !wanted.every((size, at) => size === -1 || size === shape[at]))
        throw misshaped(output, shape, wanted, rows)
    }
    return answer
  }
}

interface Run {
  readonly runs: RowRuns
  limit: CallLimit
}

function misshaped({ name }: ExpectedOutput, shape: readonly number[], wanted: readonly number[], rows: number): ServingFailure {
  const given = `answers with the shape [${shape.join(', ')}] for the output ${name}`
  return new ServingFailure('unusable', `${given}, where ${rows === 1 ? 'one row has' : `${rows} rows have`} [${wanted.join(', ')}]`)
}

/** Turns a failure into an error with a code that callers and operators know. Any other error is returned unchanged. */
export function failureAsError(thrown: unknown, { shown }: ServingAddress): unknown {
  if (!(thrown instanceof ServingFailure)) return thrown
  const message = `The TensorFlow Serving at ${shown} ${thrown.message}`
  switch (thrown.kind) {
    case 'away':
    case 'broken':
      return new WaggleError('WAGGLE_MODEL_SERVER_AWAY', {
        message,
        next: 'See that the server runs and can be reached from here. Waggle continues by itself once the server answers.',
        cause: thrown,
      })
    case 'missing':
      return new WaggleError('WAGGLE_MODEL_NOT_FOUND', {
        message,
        next: 'See which models and versions the server has loaded, and correct url.',
        cause: thrown,
      })
    case 'forbidden':
      return new WaggleError('WAGGLE_MODEL_ADDRESS', {
        message,
        next: 'Add the address or its network to WAGGLE_MODEL_HOSTS, if you trust that address.',
        cause: thrown,
      })
    case 'late':
      return new WaggleError('WAGGLE_DEADLINE', { message, next: 'Give the request more time, or make the server quicker.', cause: thrown })
    case 'unusable':
      return new WaggleError('WAGGLE_MODEL_ANSWER', {
        message,
        next: 'See that url names a TensorFlow Serving. If its model has another signature now, run `waggle models reload`, or name a version in url.',
        cause: thrown,
      })
    case 'refused':
      // TensorFlow's layer for embeddings refuses an id that its table does not have.
      if (/\bindices\[.*is not in \[/.test(thrown.message))
        return new Refused('A number, such as the id of a token, is none of those that the model knows')
      return new WaggleError('WAGGLE_MODEL_FAILED', {
        message,
        next: 'Send an input that fits the signature of the model, or see the log of the server.',
        cause: thrown,
      })
  }
}

const neverAborted = new AbortController().signal
