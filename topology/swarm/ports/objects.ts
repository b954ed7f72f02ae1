/** A place with files outside of this machine, such as an S3 bucket or a web server. */
export interface ObjectStore {
  /**
   * Lists the objects that an address has now. Throws WAGGLE_MODEL_NOT_FOUND if there are none, and WAGGLE_MODEL_REFUSED if the store does not let
   * this process read the address. Throws WAGGLE_MODEL_TOO_LARGE, and `Unavailable` (WAGGLE_MODEL_UNREACHABLE) if the store does not answer.
   */
  look(address: string, signal: AbortSignal): Promise<ObjectListing>
  /** The bytes of an object from `fromByte`. Null if the store has another version of the object by now. Throws the errors of `look`. */
  read(object: StoredObject, fromByte: number, signal: AbortSignal): Promise<ObjectBytes | null>
}

/** Either a file with the files that belong to it, or a folder. */
export interface ObjectListing {
  readonly kind: 'file' | 'folder'
  /** The name of the file or the folder, without slashes. */
  readonly name: string
  /** The objects. In a listing of a file, the file comes first. In a listing of a folder, the paths begin with the folder's name. */
  readonly objects: readonly StoredObject[]
}

export interface StoredObject {
  /** The store's own name of the object: a key in its bucket, or a URL. */
  readonly key: string
  /** The path that the object gets on this machine, with `/` between names. The path comes from the store, and is not checked. */
  readonly path: string
  readonly bytes: number
  /** The entity tag, as the store writes it; null if the store writes none. */
  readonly etag: string | null
  readonly versionId: string | null
}

/** A part of an object. A store that cannot begin at the wanted byte begins at 0. Reading throws `Unavailable` if the connection breaks. */
export interface ObjectBytes {
  readonly fromByte: number
  readonly chunks: AsyncIterable<Uint8Array>
}
