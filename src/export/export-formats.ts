/** Formats that `exportModel` writes. */
export const EXPORT_FORMATS = [
  'safetensors',
  'safetensors-dense',
  'pytorch-names',
  'onnx',
] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];
