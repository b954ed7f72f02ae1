/** Decodes photos. All pictures of a process share one bounded memory. */
export interface Pictures {
  /** Decodes the bytes of a picture. Throws `Refused` for bytes that are not a picture, and for a picture past the limits. */
  decode(bytes: Uint8Array, options: PictureOptions): Promise<Picture>
}

/** RGB or grey pixels, row after row. */
export interface Picture {
  readonly height: number
  readonly width: number
  /** The number of channels: 3 for RGB, 1 for grey. */
  readonly channels: 1 | 3
  readonly pixels: Uint8Array
}

/** The steps from a file to a picture, in this order: orient, resize, crop. */
export interface PictureOptions {
  /** False: the orientation in the EXIF data is ignored. Default: true. */
  readonly orient?: boolean
  /** The length of the shorter side after the resize, in pixels. The other side follows from the aspect ratio. */
  readonly shorterSide?: number
  /** The size after the resize, in pixels. Without `size` and `shorterSide` the picture keeps its size. */
  readonly size?: PictureTarget
  /** The part that is cut out of the middle, in pixels. */
  readonly crop?: { readonly height: number; readonly width: number }
  /** The colour that stands for transparency, as `#rrggbb`. Default: white. */
  readonly background?: string
  /** The channels of the result: 3 for RGB, 1 for grey. Default: 3. */
  readonly channels?: 1 | 3
  /** The most pixels that the file may have. The default, 50,000,000, is also the largest allowed number. */
  readonly maxPixels?: number
}

export interface PictureTarget {
  readonly height: number
  readonly width: number
  /**
   * `fill`: the picture is stretched. `cover`: the picture keeps its aspect ratio, and the middle is cut out. `contain`: the picture keeps its aspect
   * ratio, with bars in the colour `pad`.
   */
  readonly fit: 'fill' | 'cover' | 'contain'
  /** The colour of the bars, as `#rrggbb`. Default: black. */
  readonly pad?: string
}
