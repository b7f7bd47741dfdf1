"""The parts of the screens, each named by what people see. Data goes down by `show`, what people do goes up as a message."""
