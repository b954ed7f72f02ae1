import type { PayloadType } from '../../topology/swarm/bee-type.ts'
import type { LateModel, ServerModel as OpenServerModel, ServerModelOptions, ServingTls } from '../../topology/swarm/ports/model-servers.ts'
import { traceHeaders } from '../../topology/swarm/request/trace-context.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { Bee, BeeCheckContext, BeeContext, BeeFindings, BeeRequest, RunningModel, TakenPicture } from '../define-bee.ts'
import { exampleOf, rowType } from '../model/model-input.ts'
import { type ModelPrediction, readingOf } from '../model/model-reading.ts'
import { fitOf, type ModelSpec } from '../model/model-spec.ts'
import { shownSignature } from '../model/shown-signature.ts'
import { takenPicture } from '../model/taken-picture.ts'
import { LoadedVersion } from '../model-versions/loaded-version.ts'
import { findingsOf } from '../model-versions/model-bee.ts'

/** The spec of a model that runs on a TensorFlow Serving. */
export type ServerSpec = Omit<ModelSpec, 'model'> & { readonly url: string; readonly tls?: ServingTls }

/** A bee that calls a model on a TensorFlow Serving. */
export async function serverBee(context: BeeContext<ServerSpec>): Promise<Bee<unknown, ModelPrediction>> {
  const model = await ServerModel.open(context)
  return {
    processBatch: (inputs, requests) => model.predict(inputs, requests),
    close: () => model.close(),
    example: () => model.example(),
    inputType: () => model.inputType(),
    get picture() {
      return model.picture
    },
    model,
  }
}

/**
 * A model on a TensorFlow Serving, as its bee uses it. If the server does not have the model when the bee opens, the bee still opens, so that the
 * other bees of the process can start. The server is then asked again. Until the server has the model, requests fail with the reason.
 */
class ServerModel implements RunningModel {
  readonly #context: BeeContext<ServerSpec>
  readonly #options: ServerModelOptions
  #loaded: LoadedVersion | null = null
  #late: LateModel | null = null
  /** The reason why the model was not open at the start; null if it was open. */
  #away: WaggleError | null = null
  /** The load of a model that was not open at the start. Calls that arrive meanwhile share this load. */
  #loading: Promise<LoadedVersion> | null = null
  /** The reason why the last reload was refused; null if it was not refused. */
  #refused: WaggleError | null = null
  #refusedTotal = 0

  private constructor(context: BeeContext<ServerSpec>, options: ServerModelOptions) {
    this.#context = context
    this.#options = options
  }

  static async open(context: BeeContext<ServerSpec>): Promise<ServerModel> {
    const { ports, log } = context
    const options = await optionsOf(context, log)
    const model = new ServerModel(context, options)
    try {
      model.#loaded = await load(await ports.modelServers.open(options), context)
    } catch (thrown) {
      if (!(thrown instanceof WaggleError) || !mayCome.has(thrown.code)) throw thrown
      log('error', `${thrown.message} (${thrown.code}). Requests get this error, and the server is asked again. ${thrown.next}`)
      model.#away = thrown
      void model.#openLater()
    }
    return model
  }

  /**
   * The prediction or the error of each input. An error of the server is returned for each row. If the error were thrown, the engine would try the
   * rows one by one at the same server.
   */
  async predict(inputs: readonly unknown[], requests: readonly BeeRequest[]): Promise<readonly (ModelPrediction | WaggleError)[]> {
    try {
      const loaded = await this.#open()
      return await loaded.predict(inputs, requests[0]?.signal ?? neverAborted, { deadline: latestDeadline(requests), trace: traceOf(requests) })
    } catch (thrown) {
      if (!(thrown instanceof WaggleError) || !ofServer.has(thrown.code)) throw thrown
      return inputs.map(() => thrown)
    }
  }

  example(): unknown {
    return this.#loaded === null ? null : exampleOf(this.#loaded.model.signature)
  }

  /** The type of the input; null until the server has sent the signature. */
  inputType(): PayloadType | null {
    return this.#loaded === null ? null : rowType(this.#loaded.model.signature)
  }

  /**
   * The picture that the model takes. Throws if the server has not sent the signature yet. The bee that makes the picture then asks again with its
   * next request.
   */
  get picture(): TakenPicture | null {
    if (this.#loaded !== null) return takenPicture(this.#loaded.model.signature, this.#context.spec)
    throw this.#away ?? new Error('The model is not open.')
  }

  get state(): RunningModel['state'] {
    const { spec } = this.#context
    const named = this.#loaded?.version ?? spec.version ?? null
    const version = named === null ? null : String(named)
    const row = { version, names: [], runs_on: this.#loaded?.model.device ?? null, loaded_at: this.#loaded?.loadedAt ?? null, error: null }
    const refused = this.#refused
    return {
      model: spec.url,
      runs_on: this.#loaded?.model.device ?? 'a TensorFlow Serving that has not answered yet',
      why: null,
      refused_total: this.#refusedTotal,
      signature: this.#loaded === null ? { inputs: [], outputs: [] } : shownSignature(this.#loaded.model.signature),
      versions: [
        { ...row, state: this.#loaded === null ? 'loading' : 'serving', share: this.#loaded === null ? 0 : 100 },
        ...(refused === null
          ? []
          : [
              {
                ...row,
                state: 'refused' as const,
                share: 0,
                error: { code: refused.code, detail: refused.message, next: refused.next },
              },
            ]),
      ],
    }
  }

  /** Asks the server for the signature again. If the new signature does not fit, the old signature is kept. */
  async reload(): Promise<void> {
    const { ports, log } = this.#context
    try {
      const next = await load(await ports.modelServers.open(this.#options), this.#context)
      const before = this.#loaded
      this.#loaded = next
      this.#refused = null
      await before?.retire()
    } catch (thrown) {
      const error = WaggleError.from('WAGGLE_MODEL_INVALID', thrown, { next: 'See that the server runs.' })
      this.#refused = error
      this.#refusedTotal++
      log('error', `${error.message} (${error.code}). The signature from before goes on. ${error.next}`)
    }
  }

  async close(): Promise<void> {
    await this.#late?.close()
    await this.#loaded?.close()
  }

  #loadOnce(model: OpenServerModel): Promise<LoadedVersion> {
    this.#loading ??= load(model, this.#context).then((loaded) => {
      this.#loaded ??= loaded
      return this.#loaded
    })
    return this.#loading
  }

  /**
   * Opens the model as soon as the server has it, without waiting for a request, because other bees may ask for the model's picture before the first
   * request.
   */
  async #openLater(): Promise<void> {
    const { ports, log } = this.#context
    this.#late = ports.modelServers.openLater(this.#options)
    const model = await this.#late.opened
    if (model === null) return
    await this.#loadOnce(model).catch((thrown: unknown) => {
      const { message, code, next } = WaggleError.from('WAGGLE_MODEL_INVALID', thrown, { next: 'Correct the spec.' })
      log('error', `${message} (${code}). Requests get this error. ${next}`)
    })
  }

  async #open(): Promise<LoadedVersion> {
    if (this.#loaded !== null) return this.#loaded
    const model = await this.#late?.get()
    if (model === undefined) throw new Error('The model is not open.')
    return this.#loadOnce(model)
  }
}

/** Asks the server for the model's signature, and compares the spec with it. */
export async function checkServer(context: BeeCheckContext<ServerSpec>): Promise<BeeFindings> {
  const model = await context.ports.modelServers.open(await optionsOf(context, () => {}))
  return findingsOf(model, { ...context.spec, model: context.spec.url })
}

/**
 * Errors after which the server is asked again. The server may start later than this process, and a server that is still loading a model reports that
 * the model does not exist.
 */
const mayCome: ReadonlySet<string> = new Set(['WAGGLE_MODEL_SERVER_AWAY', 'WAGGLE_MODEL_NOT_FOUND'])

/** The model with its reading. If the spec does not fit the model, closes the model and throws. */
async function load(model: OpenServerModel, { spec, bee, now, log }: BeeContext<ServerSpec>): Promise<LoadedVersion> {
  try {
    const reading = readingOf({ ...spec, model: spec.url }, model.signature)
    log('info', `${spec.url} on ${model.device}`)
    return new LoadedVersion({ bee, version: model.version, fingerprint: '', model, reading, loadedAt: now() })
  } catch (thrown) {
    await model.close()
    throw thrown
  }
}

async function optionsOf(
  { spec, resolve }: Pick<BeeContext<ServerSpec>, 'spec' | 'resolve'>,
  log: ServerModelOptions['log'],
): Promise<ServerModelOptions> {
  const { url, version, signature, output, tls = {} } = spec
  const files = await Promise.all(Object.entries(tls).map(async ([name, pem]) => [name, textIn(pem) ?? (await resolve(pem))] as const))
  return {
    url,
    fit: fitOf(spec),
    ...(version === undefined ? {} : { version }),
    ...(signature === undefined ? {} : { signature }),
    ...(output === undefined ? {} : { output }),
    tls: Object.fromEntries(files),
    log,
  }
}

/**
 * The PEM text in a setting, without comments or empty lines before it; null for a path. If a PEM text were treated as a path, the error for the
 * missing file would show the key.
 */
function textIn(pem: string): string | null {
  const begins = pem.indexOf('-----BEGIN ')
  return begins < 0 ? null : pem.slice(begins)
}

/** The time after which nobody needs the results of a batch; null if a request of the batch has no deadline. */
function latestDeadline(requests: readonly BeeRequest[]): number | null {
  const deadlines = requests.map(({ deadline }) => deadline ?? Number.POSITIVE_INFINITY)
  const latest = Math.max(...deadlines)
  return Number.isFinite(latest) ? latest : null
}

/** The headers that continue the trace of a request. A batch of several requests has none, because a call can belong to one trace alone. */
function traceOf(requests: readonly BeeRequest[]): ReturnType<typeof traceHeaders> {
  const [first, ...more] = requests
  return first === undefined || more.length > 0 ? {} : traceHeaders(first.headers)
}

/** Errors that the server causes, instead of a row. */
const ofServer: ReadonlySet<string> = new Set([...mayCome, 'WAGGLE_DEADLINE'])
const neverAborted = new AbortController().signal
