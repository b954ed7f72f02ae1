import type { ModelOptions, OpenModel } from './models.ts'

/** Calls models that run on a TensorFlow Serving. */
export interface ModelServers {
  /**
   * Asks the server once. Throws WAGGLE_MODEL_SERVER_AWAY if the server does not answer, and WAGGLE_MODEL_NOT_FOUND if the server does not have the
   * model.
   */
  open(options: ServerModelOptions): Promise<ServerModel>
  /** Asks the server again and again, with growing pauses, until the server has the model. Each failure is logged. */
  openLater(options: ServerModelOptions): LateModel
}

export interface ServerModel extends OpenModel {
  /** The version that the address or the options name; null if the server chooses a version for each call. */
  readonly version: number | null
}

export interface ServerModelOptions extends Pick<ModelOptions, 'fit' | 'output' | 'log'> {
  /** The address of the model: `http://HOST:8501/v1/models/NAME`, or https, grpc or grpcs. */
  readonly url: string
  readonly version?: number
  /** The signature of the model to call. Default: `serving_default`. */
  readonly signature?: string
  readonly tls: ServingTls
}

/**
 * Certificates and keys: the paths of PEM files, or their text. Without `ca`, a server's certificate must come from an authority that Node trusts.
 */
export interface ServingTls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

export interface LateModel {
  /** Settles with the model when it is open. Settles with null if `close` was called before. */
  readonly opened: Promise<ServerModel | null>
  /** The model. Waits at most a few seconds for it. Then throws the reason of the last failure. */
  get(): Promise<ServerModel>
  close(): Promise<void>
}
