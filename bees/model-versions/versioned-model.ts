import type { ModelRow as ModelState, ModelVersionRow } from '../../topology/swarm/log-management.ts'
import type { FoundVersion, ModelSignature, OpenModel, VersionFolder } from '../../topology/swarm/ports/models.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { BeeRequest } from '../define-bee.ts'
import type { ModelPrediction, ModelReading } from '../model/model-reading.ts'
import { shownSignature } from '../model/shown-signature.ts'
import { type VersionPolicy, wantedVersions } from '../model/version-spec.ts'
import { type Flaw, LoadedVersion } from './loaded-version.ts'
import { RefusedVersions } from './refused-versions.ts'
import { signatureChange } from './signature-change.ts'
import type { Traffic } from './traffic.ts'

export interface VersionedModelOptions {
  readonly bee: string
  /** The model's address in the spec. */
  readonly name: string
  /** The folder with the model's versions; null for a model without versions. */
  readonly folder: VersionFolder | null
  readonly policy: VersionPolicy
  /** True for a shadow. Its results are saved, but no caller gets them. */
  readonly isShadow: boolean
  /** The versions that share the requests; null if the highest version answers all requests. */
  readonly traffic: Traffic | null
  /** The numbers of versions by the names that the spec gives them. */
  readonly names: { readonly [name: string]: number }
  /** The error for a folder without versions. */
  readonly noVersion: () => WaggleError
  /** Opens a version in its own thread. `version` is null for a model without versions. */
  readonly open: (version: number | null) => Promise<OpenModel>
  /** Finds the roles of a model's outputs. Throws WAGGLE_MODEL_SHAPE if the spec does not fit the model. */
  readonly read: (signature: ModelSignature) => ModelReading
  readonly batchSize: number
  readonly watch: (look: () => Promise<void>) => () => void
  readonly now: () => number
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', message: string) => void
}

/**
 * A model that answers while its versions change. While the old version answers, a newer version is loaded, warmed up and compared with the old
 * version. The newer version takes over between two batches, and the old version closes after its last batch. A newer version that does not fit is
 * refused, and the old version continues.
 */
export class VersionedModel {
  readonly #options: VersionedModelOptions
  readonly #loaded = new Map<number | null, LoadedVersion>()
  readonly #draining = new Set<LoadedVersion>()
  readonly #refused: RefusedVersions
  #found: readonly FoundVersion[] = []
  #loading: number | null | undefined = undefined
  #answering: LoadedVersion | null = null
  /** Settles when the last look or reload has ended. Looks and reloads run one after the other. */
  #last: Promise<void> = Promise.resolve()
  /** The reload that has not begun yet; null if there is none. */
  #nextReload: Promise<void> | null = null
  #unwatch = () => {}
  #isClosed = false

  private constructor(options: VersionedModelOptions) {
    this.#options = options
    this.#refused = new RefusedVersions(options.now)
  }

  /**
   * Loads the versions of the policy. If the highest version cannot be loaded, the policy `latest` tries the next lower versions. If none of the
   * versions can be loaded, throws the error of the highest version.
   */
  static async open(options: VersionedModelOptions): Promise<VersionedModel> {
    const served = new VersionedModel(options)
    try {
      await served.#begin()
    } catch (thrown) {
      await served.close()
      throw thrown
    }
    return served
  }

  /** The version that answers. If versions share the requests, this is the version with the largest share. */
  get answering(): LoadedVersion {
    if (this.#answering === null) throw new Error('The model is not open.')
    return this.#answering
  }

  /** Computes one batch. The version of each request is chosen when the batch starts. */
  async predict(inputs: readonly unknown[], requests: readonly BeeRequest[]): Promise<readonly (ModelPrediction | WaggleError)[]> {
    const signal = requests[0]?.signal ?? neverAborted
    const rowsOf = new Map<LoadedVersion, number[]>()
    for (const at of inputs.keys()) {
      const version = this.#versionFor(requests[at]?.id ?? '')
      const rows = rowsOf.get(version)
      if (rows === undefined) rowsOf.set(version, [at])
      else rows.push(at)
    }
    const predictions: (ModelPrediction | WaggleError)[] = []
    await Promise.all(
      [...rowsOf].map(async ([version, rows]) => {
        const own = await version.predict(
          rows.map((at) => inputs[at]),
          signal,
        )
        own.forEach((prediction, at) => {
          predictions[rows[at] ?? 0] = prediction
        })
      }),
    )
    return predictions
  }

  /**
   * Searches for new versions now, and tries refused versions again. A loaded version whose files have changed is loaded again. Calls that arrive
   * before a waiting reload begins share that reload.
   */
  reload(): Promise<void> {
    this.#nextReload ??= this.#afterLast(() => {
      this.#nextReload = null
      return this.#reload()
    })
    return this.#nextReload
  }

  async #reload(): Promise<void> {
    const { folder } = this.#options
    if (folder === null) await this.#replace({ version: null, fingerprint: String(this.#options.now()) })
    else await this.#refresh(await folder.lookTwice(), true)
  }

  get state(): Omit<ModelState, 'swarm' | 'bee' | 'type'> {
    const { name } = this.#options
    return {
      model: name,
      runs_on: this.answering.model.device,
      why: this.answering.model.choice,
      refused_total: this.#refused.total,
      signature: shownSignature(this.answering.model.signature),
      versions: this.#versionRows(),
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#unwatch()
    await Promise.all([...this.#loaded.values(), ...this.#draining].map((version) => version.close()))
  }

  async #begin(): Promise<void> {
    const { folder, policy, watch } = this.#options
    if (folder === null) {
      await this.#load({ version: null, fingerprint: '' })
      return
    }
    this.#found = await folder.look()
    const wanted = wantedVersions(policy, this.#found)
    if (wanted.length === 0) throw this.#options.noVersion()
    const required = [...new Set(policy.required)].toSorted((a, b) => b - a)
    for (const version of required) await this.#load({ version, fingerprint: this.#fingerprintOf(version) })
    await this.#loadHighest(wanted)
    this.#switch(wanted)
    this.#unwatch = watch(() => this.#look())
  }

  /** Loads as many versions as the policy wants, from the highest version down. A version that cannot be loaded is refused. */
  async #loadHighest(wanted: readonly number[]): Promise<void> {
    let first: unknown = null
    const { shadow } = this.#options.policy
    const versions = this.#found
      .map(({ version }) => version)
      .filter((version) => version !== shadow)
      .toReversed()
    for (const version of versions.slice(0, Math.max(maxTriesAtStart, wanted.length))) {
      if (this.#loaded.size >= wanted.length) return
      if (this.#loaded.has(version)) continue
      try {
        await this.#load({ version, fingerprint: this.#fingerprintOf(version) })
      } catch (thrown) {
        first ??= thrown
        this.#refuse(version, this.#fingerprintOf(version), thrown)
      }
    }
    if (this.#loaded.size === 0) throw first
  }

  #versionFor(requestId: string): LoadedVersion {
    const { traffic } = this.#options
    return (traffic === null ? undefined : this.#loaded.get(traffic.versionOf(requestId))) ?? this.answering
  }

  /** The part of the requests that a version answers, from 0 to 1. */
  #shareOf(loaded: LoadedVersion): number {
    const { traffic, isShadow } = this.#options
    if (isShadow) return 0
    if (traffic === null) return loaded === this.#answering ? 1 : 0
    if (this.#loaded.get(loaded.version) !== loaded) return 0
    return traffic.sides.reduce((sum, { version, share }) => (version === loaded.version ? sum + share : sum), 0)
  }

  #look(): Promise<void> {
    return this.#afterLast(async () => {
      const { folder, log } = this.#options
      if (folder === null) return
      const found = await folder.look().catch((thrown: unknown) => {
        log('warn', `the versions of ${this.#options.name} cannot be looked at: ${messageOf(thrown)}`)
        return null
      })
      if (found !== null) await this.#refresh(found, false)
    })
  }

  #afterLast(act: () => Promise<void>): Promise<void> {
    const acted = this.#last.then(() => (this.#isClosed ? undefined : act()))
    this.#last = acted.catch(() => {})
    return acted
  }

  /** Loads the wanted versions that are not loaded yet. `isAsked` is true if an operator asked, so that refused versions are tried again. */
  async #refresh(found: readonly FoundVersion[], isAsked: boolean): Promise<void> {
    this.#found = found
    this.#refused.keep(found)
    const wanted = wantedVersions(this.#options.policy, found)
    if (wanted.length === 0) return
    for (const version of wanted) {
      const there = found.find((one) => one.version === version)
      const loaded = this.#loaded.get(version)
      if (there === undefined || !there.isComplete || this.#isClosed) continue
      if (loaded !== undefined && (!isAsked || loaded.fingerprint === there.fingerprint)) continue
      if (isAsked || this.#refused.mayTry(version, there.fingerprint)) await this.#replace(there)
    }
    if (!this.#isClosed) this.#switch(wanted)
  }

  /** Loads a version while the other versions answer. A version that does not fit is refused. */
  async #replace({ version, fingerprint }: Pick<FoundVersion, 'fingerprint'> & { readonly version: number | null }): Promise<void> {
    const before = this.#loaded.get(version)
    try {
      const next = await this.#load({ version, fingerprint })
      if (before !== undefined) this.#retire(before)
      if (this.#answering === before) this.#answering = next
    } catch (thrown) {
      if (!this.#isClosed) this.#refuse(version, fingerprint, thrown)
    }
  }

  async #load({ version, fingerprint }: Pick<FoundVersion, 'fingerprint'> & { readonly version: number | null }): Promise<LoadedVersion> {
    const { bee, open, read, batchSize, now, log } = this.#options
    this.#loading = version
    const model = await open(version).finally(() => {
      this.#loading = undefined
    })
    try {
      const loaded = new LoadedVersion({ bee, version, fingerprint, model, reading: read(model.signature), loadedAt: now() })
      const change = this.#answering === null ? null : signatureChange(this.#answering, loaded)
      if (change !== null) throw otherSignature(this.#shown(version), change)
      const flaw = await loaded.flawWithZeros(batchSize)
      // A correct model may fail for zeros. A flaw therefore counts only if the answering version has no flaw for zeros.
      if (flaw !== null && this.#answering !== null && (await this.#answering.flawWithZeros(1)) === null) throw flawed(this.#shown(version), flaw)
      if (flaw !== null) log('debug', `${this.#shown(version)} ${flaw.words} for a batch of zeros`)
      if (this.#isClosed) throw new Error('the swarm stops')
      this.#refused.forget(version)
      this.#loaded.set(version, loaded)
      this.#answering ??= loaded
      log('info', `${this.#shown(version)} on ${model.device}${model.choice === null ? '' : ` (${model.choice})`}`)
      return loaded
    } catch (thrown) {
      await model.close()
      throw thrown
    }
  }

  /**
   * Switches the answering version at the next batch: to the highest wanted version, or with traffic, to the version with the largest share. When all
   * wanted versions are loaded, the other versions close.
   */
  #switch(wanted: readonly number[]): void {
    const { log, traffic } = this.#options
    const candidates = wanted.flatMap((version) => this.#loaded.get(version) ?? [])
    const main = traffic?.sides.reduce((most, side) => (side.share > most.share ? side : most))
    const next = (main === undefined ? candidates.at(-1) : this.#loaded.get(main.version)) ?? this.#answering
    if (next !== null && next !== this.#answering) {
      if (this.#answering !== null) log('info', `${this.#shown(next.version)} answers from now on, in place of version ${this.#answering.version}`)
      this.#answering = next
    }
    if (candidates.length < wanted.length) return
    for (const loaded of this.#loaded.values()) if (!candidates.includes(loaded)) this.#retire(loaded)
  }

  #retire(loaded: LoadedVersion): void {
    const { log } = this.#options
    if (this.#loaded.get(loaded.version) === loaded) this.#loaded.delete(loaded.version)
    this.#draining.add(loaded)
    loaded
      .retire()
      .catch((thrown: unknown) => log('warn', `${this.#shown(loaded.version)} cannot be closed: ${messageOf(thrown)}`))
      .finally(() => this.#draining.delete(loaded))
  }

  #refuse(version: number | null, fingerprint: string, thrown: unknown): void {
    const error = WaggleError.from('WAGGLE_MODEL_INVALID', thrown, { next: 'See that the version is whole.' })
    this.#refused.add(version, fingerprint, error)
    const goesOn = this.#answering?.version ?? null
    this.#options.log(
      'error',
      `${this.#shown(version)} is refused${this.#answering === null ? '' : `, and ${goesOn === null ? 'the old one' : `version ${goesOn}`} goes on`}: ${error.message}. ${error.next}`,
    )
  }

  #fingerprintOf(version: number): string {
    return this.#found.find((one) => one.version === version)?.fingerprint ?? ''
  }

  #shown(version: number | null): string {
    const { name } = this.#options
    return version === null ? name : `version ${version} of ${name}`
  }

  #versionRows(): readonly ModelVersionRow[] {
    const rows: ModelVersionRow[] = []
    const names = Object.entries(this.#options.names)
    const row = (version: number | null, state: ModelVersionRow['state'], more: Partial<ModelVersionRow> = {}) =>
      rows.push({
        version: version === null ? null : String(version),
        names: names.flatMap(([name, named]) => (named === version ? [name] : [])),
        state,
        share: 0,
        runs_on: null,
        loaded_at: null,
        error: null,
        ...more,
      })
    for (const loaded of [...this.#loaded.values(), ...this.#draining]) {
      const share = this.#shareOf(loaded)
      const idle = this.#options.isShadow ? 'shadow' : 'loaded'
      const state = this.#draining.has(loaded) ? 'draining' : share > 0 ? 'serving' : idle
      row(loaded.version, state, { share: Math.round(share * 10_000) / 100, runs_on: loaded.model.device, loaded_at: loaded.loadedAt })
    }
    for (const [version, { code, message, next }] of this.#refused.all) row(version, 'refused', { error: { code, detail: message, next } })
    if (this.#loading !== undefined) row(this.#loading, 'loading')
    const wanted = wantedVersions(this.#options.policy, this.#found)
    for (const { version, isComplete } of this.#found)
      if (!isComplete && wanted.includes(version) && !rows.some((one) => one.version === String(version))) row(version, 'incomplete')
    return rows.toSorted((a, b) => Number(a.version) - Number(b.version))
  }
}

/** The number of versions that a start tries, with the policy `latest`, before it fails. */
const maxTriesAtStart = 3

function otherSignature(version: string, change: string): WaggleError {
  return new WaggleError('WAGGLE_MODEL_SHAPE', {
    message: `${version} ${change}`,
    next: 'Export the new version with the inputs, outputs and labels of the version that answers; or stop the swarm, and start it with the new version alone.',
  })
}

function flawed(version: string, { code, words }: Flaw): WaggleError {
  return new WaggleError(code, {
    message: `${version} ${words} for a batch of zeros, for which the version that answers gives numbers`,
    next: 'Train or export it again.',
  })
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

const neverAborted = new AbortController().signal
