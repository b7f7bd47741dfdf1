"""The screens, one module each, named by what people see."""
