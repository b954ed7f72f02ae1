/** Thrown if a graph or a node has no equivalent in ONNX. The message is the reason, as the end of a sentence. */
export class Untranslatable extends Error {}
