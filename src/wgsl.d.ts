declare module '*.wgsl' {
  const source: string;
  export default source;
}

// The package's main entry does not load under Node's ESM; its module build does, and has no declarations of its own.
declare module 'wgsl_reflect/wgsl_reflect.module.js' {
  export * from 'wgsl_reflect';
}
